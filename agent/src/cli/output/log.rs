//! Logs of jobs on their way to whoever reads standard output.

use assay_hooks::LogCleaner;

use super::Screen;
use crate::exit::Failure;

/// Writes a log: as it is into a pipe, made harmless on a terminal.
pub(crate) struct LogWriter<'a> {
    screen: &'a Screen,
    cleaner: Option<LogCleaner>,
}

impl<'a> LogWriter<'a> {
    /// At the beginning of a log.
    pub(crate) fn new(screen: &'a Screen) -> Self {
        LogWriter {
            screen,
            cleaner: screen.style.terminal.then(LogCleaner::new),
        }
    }

    /// Writes the next piece.
    pub(crate) fn write(&mut self, piece: &str) -> Result<(), Failure> {
        match &mut self.cleaner {
            Some(cleaner) => self.screen.data(&cleaner.clean(piece)),
            None => self.screen.data(piece),
        }
    }

    /// Writes what was held back.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let Some(cleaner) = &mut self.cleaner else {
            return Ok(());
        };
        let rest = cleaner.finish();
        // Whatever colours a log leaves switched on are not for the prompt after it.
        let reset = if self.screen.style.color {
            "\x1b[0m"
        } else {
            ""
        };
        self.screen.data(&format!("{rest}{reset}"))
    }
}
