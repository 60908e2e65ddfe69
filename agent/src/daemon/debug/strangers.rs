//! Connections that have no session yet. They are few at once, and nobody's address can take all the places: where there is
//! none left, the address that holds the most gives one up to those that hold fewer.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at once that have no session yet.
pub(super) const MOST: u32 = 8;
/// The part of an IPv6 address that tells networks apart; within one, whoever has it has as many as they like.
const NETWORK: u128 = !0 << 64;

/// The connections that have a place.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    next: u64,
    /// Oldest first.
    here: Vec<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    number: u64,
    from: IpAddr,
    socket: OwnedFd,
}

/// A connection's place, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Arc<Strangers>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = self.number;
        self.strangers
            .all()
            .here
            .retain(|stranger| stranger.number != number);
    }
}

impl Strangers {
    fn all(&self) -> MutexGuard<'_, All> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from this address, if there is one; a connection that has to give up its own is cut.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr, socket: OwnedFd) -> Option<Place> {
        let from = network(from);
        let mut all = self.all();
        if all.here.len() >= MOST as usize {
            let place = all.whose_turn(from)?;
            cut(&all.here.remove(place).socket);
        }
        let number = all.next;
        all.next += 1;
        all.here.push(Stranger {
            number,
            from,
            socket,
        });
        drop(all);
        Some(Place {
            strangers: Arc::clone(self),
            number,
        })
    }
}

impl All {
    fn count(&self, from: IpAddr) -> usize {
        self.here
            .iter()
            .filter(|stranger| stranger.from == from)
            .count()
    }

    /// The oldest connection of the address that has the most, if that is more than `from` would have.
    fn whose_turn(&self, from: IpAddr) -> Option<usize> {
        let own = self.count(from) + 1;
        let counted = self
            .here
            .iter()
            .enumerate()
            .map(|(place, stranger)| (self.count(stranger.from), place));
        let (most, place) = counted.max_by_key(|(count, place)| (*count, usize::MAX - place))?;
        (most > own).then_some(place)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & NETWORK).into()),
        address => address,
    }
}

/// Whatever the other side does or doesn't do: without its socket a connection is over.
pub(super) fn cut(socket: &OwnedFd) {
    // It may be closed already.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    struct Other {
        far: UnixStream,
        place: Option<Place>,
    }

    impl Other {
        fn comes(strangers: &Arc<Strangers>, from: &str) -> Other {
            let (far, near) = UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let place = strangers.admit(from.parse().unwrap(), near.into());
            Other { far, place }
        }

        fn is_cut(&self) -> bool {
            matches!((&self.far).read(&mut [0]), Ok(0))
        }
    }

    #[test]
    fn one_address_leaves_room_for_another() {
        let strangers = Arc::new(Strangers::default());
        let comes = |from: &str| Other::comes(&strangers, from);
        let mut flood: Vec<Other> = (0..MOST).map(|_| comes("192.0.2.1")).collect();
        assert!(flood.iter().all(|one| one.place.is_some()));
        assert!(comes("192.0.2.1").place.is_none());
        let person = comes("::ffff:198.51.100.7");
        assert!(person.place.is_some());
        let cut: Vec<bool> = flood.iter().map(Other::is_cut).collect();
        assert_eq!(cut.iter().position(|cut| *cut), Some(0), "the oldest");
        assert_eq!(cut.iter().filter(|cut| **cut).count(), 1);
        // However often it comes again.
        flood.remove(0);
        for _ in 0..100 {
            assert!(comes("192.0.2.1").place.is_none());
        }
        assert!(!person.is_cut());
        // A place that is given back is anybody's.
        drop(person);
        assert!(comes("192.0.2.1").place.is_some());
    }

    #[test]
    fn a_network_of_addresses_is_one() {
        let strangers = Arc::new(Strangers::default());
        let flood: Vec<Other> = (1..=MOST)
            .map(|number| Other::comes(&strangers, &format!("2001:db8::{number}")))
            .collect();
        assert!(Other::comes(&strangers, "2001:db8::ffff").place.is_none());
        assert!(Other::comes(&strangers, "2001:db8:1::1").place.is_some());
        assert!(flood[0].is_cut());
    }
}
