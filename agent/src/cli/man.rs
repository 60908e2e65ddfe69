//! `assay man`.

use super::args;
use super::output::Screen;
use crate::exit::{Exit, Outcome};

/// `assay man`
pub(crate) fn man(_args: &args::Man, _screen: &Screen) -> Outcome {
    Ok(Exit::Ok)
}
