//! User namespaces with a whole range of uids. Who may map a range is not who lives in it: so a short-lived child makes
//! the namespace, this process (or newuidmap(1), for an ordinary user) writes the maps from outside, and keeps the
//! namespace by a descriptor to join later.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Pid, Uid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use serde::{Deserialize, Serialize};

use crate::image::owners::{Owners, SPAN};
use crate::{sys, tool};

/// Uids and gids 0 to 65535 of a namespace, as seen by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// First uid.
    pub(crate) uid: u32,
    /// First gid.
    pub(crate) gid: u32,
}

/// Makes a namespace with this range. Root names the `owner`, an ordinary uid that has no other use; an ordinary user
/// owns it itself. `own`: the user's own ids are mapped too, behind the range.
pub(crate) fn make(owner: Option<u32>, range: Range, own: bool) -> io::Result<OwnedFd> {
    if range.uid == 0 || range.gid == 0 || owner == Some(0) {
        return Err(io::Error::other("uid or gid 0 of the host is never mapped"));
    }
    let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (hold, release) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let child = sys::spawn(|| {
        let made = owner
            .map_or(Ok(()), become_id)
            .and_then(|()| sys::unshare(UnshareFlags::NEWUSER));
        let word = [u8::from(made.is_ok())];
        let _ = rustix::io::write(&tell, &word);
        let _ = rustix::io::read(&hold, &mut [0; 1]);
        0
    })?;
    drop(tell);
    let mut word = [0];
    let made = rustix::io::read(&ready, &mut word);
    let namespace = match (made, word) {
        (Ok(1), [1]) => map(child, range, own).and_then(|()| {
            let path = format!("/proc/{}/ns/user", child.as_raw_pid());
            Ok(rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?)
        }),
        _ => Err(io::Error::other("no user namespace can be made")),
    };
    drop(release);
    drop(hold);
    let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
    sys::wait_for(child)?;
    namespace
}

fn map(child: Pid, range: Range, own: bool) -> io::Result<()> {
    let pid = child.as_raw_pid();
    if rustix::process::geteuid().is_root() {
        std::fs::write(
            format!("/proc/{pid}/uid_map"),
            format!("0 {} {SPAN}\n", range.uid),
        )?;
        return std::fs::write(
            format!("/proc/{pid}/gid_map"),
            format!("0 {} {SPAN}\n", range.gid),
        );
    }
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    for (name, first, mine) in [("newuidmap", range.uid, uid), ("newgidmap", range.gid, gid)] {
        let program = tool::find(name).unwrap_or_else(|| PathBuf::from(name));
        let mut command = Command::new(&program);
        let mut words = vec![
            pid.to_string(),
            "0".to_owned(),
            first.to_string(),
            SPAN.to_string(),
        ];
        if own {
            words.extend([SPAN.to_string(), mine.to_string(), "1".to_owned()]);
        }
        let output = command
            .args(words)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!(
                "{name}: {said} ({})",
                output.status
            )));
        }
    }
    Ok(())
}

/// Joins the namespace: from here on this process has every right inside it, and none outside.
pub(crate) fn join(namespace: &OwnedFd) -> io::Result<()> {
    let kind = Some(LinkNameSpaceType::User);
    Ok(rustix::thread::move_into_link_name_space(
        namespace.as_fd(),
        kind,
    )?)
}

/// Becomes this uid and gid of the process's own user namespace, with no other groups.
pub(crate) fn become_id(id: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    // The change made our own /proc entries root's; the id maps may have yet to be written there.
    Ok(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::Dumpable,
    )?)
}

/// Whether a namespace with the range can be made here. Beside other threads it can't be tried, and counts as fine.
pub(crate) fn try_range(owners: Owners) -> io::Result<()> {
    match owners {
        Owners::Range { uid, gid } if sys::is_single_threaded() => {
            make(None, Range { uid, gid }, true).map(drop)
        }
        _ => Ok(()),
    }
}

/// For work on an image's files: enters the range they live in, staying the user outside, whose files can still be read.
pub(crate) fn enter_range(owners: Owners) -> io::Result<()> {
    match owners {
        Owners::Range { uid, gid } => make(None, Range { uid, gid }, true).and_then(|ns| join(&ns)),
        _ => Ok(()),
    }
}
