//! Whether somebody on the other end of the hook socket could have pushed at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::identity;

/// Whether these credentials may write the repository: its folder, `objects` and `refs`, by owner, group and other
/// bits. Root always may. Access lists (ACLs) are not looked at: whoever has the right only through one is answered no,
/// and the daemon finds the push by comparing refs.
pub fn may_write(repository: &Path, uid: u32, gid: u32, groups: &[u32]) -> bool {
    let allows = |path: &Path| {
        fs::metadata(path).is_ok_and(|meta| meta.is_dir() && allows(&meta, uid, gid, groups))
    };
    uid == 0
        || (allows(repository)
            && allows(&repository.join("objects"))
            && allows(&repository.join("refs")))
}

/// Writing into a folder takes its `w` and its `x` bit; as in the kernel, the first class that fits decides.
fn allows(meta: &fs::Metadata, uid: u32, gid: u32, groups: &[u32]) -> bool {
    let shift = if meta.uid() == uid {
        6
    } else if meta.gid() == gid || groups.contains(&meta.gid()) {
        3
    } else {
        0
    };
    (meta.mode() >> shift) & 0o3 == 0o3
}

/// All groups of a user: from `/etc/passwd` and `/etc/group`, or for a user of a directory service from `id -G`. Empty
/// when nobody knows the user.
pub fn groups_of(uid: u32) -> Vec<u32> {
    let Some(account) = identity::account_of(uid) else {
        return groups_by_program(uid);
    };
    let mut groups = identity::memberships_of(&account.name);
    groups.push(account.group);
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn groups_by_program(uid: u32) -> Vec<u32> {
    let output = Command::new("id")
        .args(["-G", "--"])
        .arg(uid.to_string())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else {
        return Vec::new();
    };
    if !output.status.success() {
        return Vec::new();
    }
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn repository(mode: u32, objects: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["objects", "refs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
        };
        set(&folder.path().join("refs"), mode);
        set(&folder.path().join("objects"), objects);
        set(folder.path(), mode);
        folder
    }

    #[test]
    fn bits_decide() {
        let stranger = 4_000_000;
        let private = repository(0o755, 0o755);
        let owner = fs::metadata(private.path()).unwrap();
        assert!(may_write(private.path(), owner.uid(), owner.gid(), &[]));
        assert!(may_write(private.path(), 0, 0, &[]));
        assert!(!may_write(
            private.path(),
            stranger,
            stranger,
            &[owner.gid()]
        ));

        let shared = repository(0o2775, 0o2775);
        assert!(may_write(
            shared.path(),
            stranger,
            stranger,
            &[7, owner.gid()]
        ));
        assert!(may_write(shared.path(), stranger, owner.gid(), &[]));
        assert!(!may_write(shared.path(), stranger, stranger, &[7]));

        let half = repository(0o2775, 0o2755);
        assert!(!may_write(half.path(), stranger, owner.gid(), &[]));
        assert!(!may_write(
            &shared.path().join("missing"),
            stranger,
            owner.gid(),
            &[]
        ));
    }

    #[test]
    fn root_is_in_its_own_group() {
        assert!(groups_of(0).contains(&0));
        assert_eq!(groups_of(4_000_000_000), Vec::<u32>::new());
    }
}
