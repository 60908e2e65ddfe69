//! Placeholder for the demo; replaced when the daemon is merged.

use std::process::ExitCode;

use crate::exit::Exit;

/// Shows the whole product.
pub(crate) fn demo(_keep: bool) -> ExitCode {
    Exit::Internal.into()
}
