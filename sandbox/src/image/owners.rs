//! Whose the files of an image are on the host's disk.

use rustix::process::Uid;
use serde::{Deserialize, Serialize};

/// Uids and gids of an image and of a job that uses one: 0 up to here.
pub(crate) const SPAN: u32 = 65_536;

/// Whose the files of an image are on the host's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owners {
    /// As in the image: root imported it. Mounted with ids shifted into the job's range.
    True,
    /// Shifted into the subordinate range of an ordinary user.
    Range {
        /// First uid of the range.
        uid: u32,
        /// First gid of the range.
        gid: u32,
    },
    /// All of them the importing user's own: there is no range.
    Flat {
        /// That user.
        uid: u32,
    },
}

impl Owners {
    /// What this process can do.
    pub(crate) fn here() -> Owners {
        let uid = rustix::process::geteuid();
        match uid.is_root() {
            true => Owners::True,
            false => subordinate(uid).unwrap_or(Owners::Flat { uid: uid.as_raw() }),
        }
    }

    /// What this process can do by itself.
    #[cfg(test)]
    pub(super) fn alone() -> Owners {
        let uid = rustix::process::geteuid();
        match uid.is_root() {
            true => Owners::True,
            false => Owners::Flat { uid: uid.as_raw() },
        }
    }

    /// Whether this process can use files that are owned so.
    pub(super) fn usable(self) -> bool {
        match (self, Owners::here()) {
            (Owners::Flat { uid }, _) => uid == rustix::process::geteuid().as_raw(),
            (stored, here) => stored == here,
        }
    }

    /// Whether files get the owners that the image names (seen from inside the range, if there is one).
    pub(super) fn keeps_ids(self) -> bool {
        !matches!(self, Owners::Flat { .. })
    }

    /// Permissions on the disk: never set-uid, and a flat image's files can be read by their only owner.
    pub(super) fn on_disk(self, mode: u32, folder: bool) -> u32 {
        let mode = mode & 0o1777;
        match (self, folder) {
            (Owners::Flat { .. }, true) => mode | 0o700,
            (Owners::Flat { .. }, false) => mode | 0o400,
            _ => mode,
        }
    }
}

/// The range that subuid(5) and subgid(5) grant, if it is large enough and the programs that map it are there.
fn subordinate(uid: Uid) -> Option<Owners> {
    let tools = ["newuidmap", "newgidmap"];
    if !tools.iter().all(|tool| crate::tool::find(tool).is_some()) {
        return None;
    }
    let name = user_name(uid);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let first = |text: &str| range(text, name.as_deref(), uid.as_raw());
    Some(Owners::Range {
        uid: first(&read("/etc/subuid"))?,
        gid: first(&read("/etc/subgid"))?,
    })
}

fn user_name(uid: Uid) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let uid = uid.as_raw().to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// First id of the first grant that is large enough.
fn range(text: &str, name: Option<&str>, uid: u32) -> Option<u32> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        let (first, count): (u32, u32) =
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let ours = Some(who) == name || who == uid;
        (ours && count >= SPAN && first > 0 && first.checked_add(SPAN).is_some()).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number_and_must_be_large_enough() {
        let text = "other:100000:65536\nci:5:10\nci:165536:65536\n1001:300000:70000\n";
        assert_eq!(range(text, Some("ci"), 1000), Some(165_536));
        assert_eq!(range(text, Some("x"), 1001), Some(300_000));
        assert_eq!(range(text, None, 1000), None);
        assert_eq!(
            range("ci:0:65536\nci:4294910000:65536\n", Some("ci"), 1),
            None
        );
    }

    #[test]
    fn no_set_uid_bit_reaches_the_disk() {
        assert_eq!(Owners::True.on_disk(0o6755, false), 0o755);
        let flat = Owners::Flat { uid: 1 };
        assert_eq!(
            (flat.on_disk(0o4000, false), flat.on_disk(0o1000, true)),
            (0o400, 0o1700)
        );
    }
}
