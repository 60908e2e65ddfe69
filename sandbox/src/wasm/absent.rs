//! What a build without the back-end answers.

use std::os::fd::OwnedFd;

use super::WasmSpec;
use crate::error::RunError;
use crate::run::{Launched, Launcher};

/// There is no such run.
pub(crate) fn launch(_launcher: &Launcher, _spec: WasmSpec) -> Result<Launched, RunError> {
    Err(RunError::NoWasm)
}

/// Nothing is ever left behind.
pub(crate) fn clean_up(_prefix: &str) {}

/// Nobody asks for native images.
pub(crate) enum Modules {}

impl Modules {
    pub(crate) fn answer(&mut self, _program: OwnedFd, _control: &OwnedFd) {
        match *self {}
    }

    pub(crate) async fn end(&mut self) {
        match *self {}
    }
}
