//! What the writer of a log and its followers share: the latest parts, and a signal.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::LogPart;
use crate::error::StoreError;

/// Bytes of the latest parts that are kept in memory, so that followers need not read the file.
const RECENT: usize = 256 << 10;

/// Shared by the writer and the followers of one log.
#[derive(Debug)]
pub(super) struct Live {
    state: Mutex<State>,
    mark: watch::Sender<Mark>,
}

/// Sent at every change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Rises when the log is cleared.
    pub(super) generation: u64,
    /// Number of the latest part.
    pub(super) latest: u32,
    /// The log was removed with its repository.
    pub(super) gone: bool,
}

#[derive(Debug, Default)]
struct State {
    generation: u64,
    /// Rises with every writer and every new generation; only the latest writer may write.
    writer: u64,
    /// Number and `last` of the latest part, once this process has had the log open for writing.
    latest: Option<(u32, bool)>,
    recent: VecDeque<LogPart>,
    recent_bytes: usize,
}

/// What memory knows about the parts above a number.
pub(super) enum Recent {
    /// These are the next ones.
    Parts(VecDeque<LogPart>),
    /// There are none yet.
    None,
    /// There are none, and there will be none.
    Ended,
    /// Look into the file.
    Unknown,
    /// The log was cleared meanwhile.
    Stale,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            state: Mutex::default(),
            mark: watch::Sender::new(Mark::default()),
        }
    }
}

impl State {
    fn begin_again(&mut self) -> u64 {
        *self = State {
            generation: self.generation + 1,
            writer: self.writer + 1,
            ..State::default()
        };
        self.generation
    }
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// From now on nobody else changes the files of this log; returns the new writer's number.
    pub(super) fn claim(&self) -> u64 {
        let mut state = self.state();
        state.writer += 1;
        state.writer
    }

    /// The writer has opened the log and found this many parts.
    pub(super) fn begin(&self, writer: u64, latest: u32) {
        let mut state = self.state();
        if state.writer == writer {
            state.latest = Some((latest, false));
        }
    }

    /// A writer's step: carried out only while it is the latest writer, so that nothing of an old run gets into a new
    /// one.
    pub(super) fn publish(
        &self,
        writer: u64,
        part: &LogPart,
        write: impl FnOnce() -> Result<(), StoreError>,
    ) -> Option<Result<(), StoreError>> {
        let mut state = self.state();
        if state.writer != writer {
            return None;
        }
        if let Err(error) = write() {
            return Some(Err(error));
        }
        state.latest = Some((part.number, part.last));
        state.recent_bytes += part.content.len();
        state.recent.push_back(part.clone());
        while state.recent_bytes > RECENT && state.recent.len() > 1 {
            let oldest = state.recent.pop_front();
            state.recent_bytes -= oldest.map_or(0, |part| part.content.len());
        }
        self.mark.send_replace(Mark {
            generation: state.generation,
            latest: part.number,
            gone: false,
        });
        Some(Ok(()))
    }

    /// Does something to the files of a log that `writer` has finished, unless somebody has changed it since.
    pub(super) fn while_latest<T>(
        &self,
        writer: u64,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let state = self.state();
        (state.writer == writer).then(act)
    }

    /// Begins a new generation with `remove` having taken the files away.
    pub(super) fn reset(
        &self,
        remove: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let generation = state.begin_again();
        let result = remove();
        self.mark.send_replace(Mark {
            generation,
            latest: 0,
            gone: false,
        });
        result
    }

    /// The log goes for good.
    pub(super) fn end(&self) {
        let mut state = self.state();
        let generation = state.begin_again();
        self.mark.send_replace(Mark {
            generation,
            latest: 0,
            gone: true,
        });
    }

    /// Whether the last part is written, if this process has written the log.
    pub(super) fn is_complete(&self) -> Option<bool> {
        self.state().latest.map(|(_, last)| last)
    }

    /// Parts above `after` of this generation.
    pub(super) fn recent(&self, generation: u64, after: u32) -> Recent {
        let state = self.state();
        if state.generation != generation {
            return Recent::Stale;
        }
        let Some((latest, last)) = state.latest else {
            return Recent::Unknown;
        };
        if after >= latest {
            return if last { Recent::Ended } else { Recent::None };
        }
        match state.recent.front() {
            Some(oldest) if oldest.number <= after + 1 => Recent::Parts(
                state
                    .recent
                    .iter()
                    .filter(|part| part.number > after)
                    .cloned()
                    .collect(),
            ),
            _ => Recent::Unknown,
        }
    }
}
