//! `assay doctor`.

use super::args::Global;
use super::output::Screen;
use crate::exit::{Exit, Outcome};

/// `assay doctor`
pub(crate) fn doctor(_global: &Global, _screen: &Screen) -> Outcome {
    Ok(Exit::Ok)
}
