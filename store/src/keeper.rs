//! The keeper thread: checkpoints and bases, so that no commit waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use crate::error::StoreError;
use crate::journal::{self, Position};
use crate::seal;
use crate::shared::Shared;
use crate::writer::answer;

/// What the keeper is asked to do; whoever waits for it hears how it went.
pub(crate) enum Chore {
    Checkpoint(Position, Option<Sender<Result<(), StoreError>>>),
    Base(Position, Option<Sender<Result<(), StoreError>>>),
}

/// The thread's state.
pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    /// Size of the last base, for the writer to reckon when the next is due.
    pub(crate) base_size: Arc<AtomicU64>,
}

impl Keeper {
    pub(crate) fn run(self, inbox: &Receiver<Chore>) {
        for chore in inbox {
            let (result, reply) = match chore {
                Chore::Checkpoint(position, reply) => (self.shared.view.mark(position), reply),
                Chore::Base(position, reply) => (self.base(position), reply),
            };
            if let Err(error) = &result {
                tracing::error!(%error, "the journal could not be tidied; nothing is lost");
            }
            if let Some(reply) = reply {
                answer(&reply, result);
            }
        }
    }

    /// Writes the state down as a base in front of the segment that has just begun.
    ///
    /// Commits go on meanwhile. The base may hold some of them already: replaying them once more changes nothing.
    fn base(&self, position: Position) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared.view.mark(position)?;
        let (_, sealed) = shared.counters()?;
        let mut records = std::iter::once(Ok(sealed)).chain(shared.view.records());
        let mut check = |sealed: &[u8]| match seal::unseal(&shared.keys, sealed) {
            Ok(_) => Ok(()),
            // Removed while the base was being written.
            Err(seal::Unreadable::NoKey(repo)) if shared.view.repository(repo)?.is_none() => Ok(()),
            Err(error) => Err(StoreError::Record {
                record: "in the database".to_owned(),
                what: error.to_string(),
            }),
        };
        let size = journal::write_base(
            &shared.folder.join("journal"),
            position.segment,
            &mut records,
            &mut check,
        )?;
        self.base_size.store(size, Ordering::Relaxed);
        Ok(())
    }
}
