//! Whose the state folder is. What works on it by itself, without the daemon, must be the user that the daemon is: it
//! would leave files there that the daemon can't use.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::exit::{Exit, Failure};

/// Somebody other than this process' user.
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// The folder's, if root looks at it and it is another's.
    fn of(state: &Path) -> Result<Option<Owner>, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        match std::fs::metadata(state) {
            Ok(meta) => Ok((meta.uid() != 0).then(|| Owner {
                uid: meta.uid(),
                gid: meta.gid(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io(
                format!("cannot read {}", state.display()),
                &error,
            )),
        }
    }

    fn name(&self) -> String {
        assay_hooks::user_name(self.uid).unwrap_or_else(|| format!("#{}", self.uid))
    }
}

/// Root goes on as the folder's owner: runs this very command again as that user, and returns only if that fails, or if
/// there is nothing to change.
pub(super) fn become_owner(state: &Path) -> Result<(), Failure> {
    let Some(owner) = Owner::of(state)? else {
        return Ok(());
    };
    // The default would be another folder for another user. Root's other groups go with its uid, and the rest of its
    // environment is not for others to see.
    let kept = ["PATH", "HOME", "LANG", "TERM", "NO_COLOR"];
    let error = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env_clear()
        .envs(
            kept.into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .env("ASSAY_STATE", state)
        .uid(owner.uid)
        .gid(owner.gid)
        .exec();
    let what = format!(
        "cannot go on as {}, whose {} is",
        owner.name(),
        state.display()
    );
    Err(Failure::io(what, &error))
}

/// A daemon as root in another user's state folder is a slip.
pub(super) fn refuse_root(state: &Path) -> Result<(), Failure> {
    let Some(owner) = Owner::of(state)? else {
        return Ok(());
    };
    let name = owner.name();
    let what = format!(
        "the state folder {} belongs to {name}, not to root",
        state.display()
    );
    Err(Failure::new(Exit::BadConfig, what).hint(format!(
        "start the daemon as that user (systemctl start assay, or runuser -u {name} -- assay …), or name another folder \
         by --state"
    )))
}
