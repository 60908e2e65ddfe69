//! `assay fsck`: the state folder, while the daemon is away.

use super::args::{self, Global};
use super::output::Screen;
use crate::exit::{Exit, Failure, Outcome};

/// `assay fsck`
pub(crate) fn fsck(_args: &args::Fsck, _global: &Global, _screen: &Screen) -> Outcome {
    Err(Failure::new(
        Exit::Internal,
        "cannot check the state folder",
    ))
}
