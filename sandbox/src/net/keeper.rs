//! The process that starts the helper and ends it. It is split off before the launcher enters any namespace, because the
//! helper needs the host's network, and holds nothing but a socket to the launcher. When that closes, for whatever
//! reason, the helper is killed; when the helper ends by itself, the launcher hears of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags};

use super::{ADDRESS, GATEWAY, Helper, INTERFACE, RESOLVER};
use crate::{confine, sys, userns, wire};

/// How long a helper may take to connect.
const PATIENCE: Timespec = Timespec {
    tv_sec: 15,
    tv_nsec: 0,
};
/// The keeper's word that the helper has given up what it doesn't need.
const CAGED: &str = "caged";
/// How often that is looked at: no event tells.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000,
};
/// Most bytes of the helper's words that are passed on.
const MOST_WORDS: usize = 300;

/// The launcher's side.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// For the launcher: open for as long as the helper is to live.
    socket: OwnedFd,
    /// For the job's first process, until the network is connected.
    talk: OwnedFd,
    process: Pid,
}

impl Keeper {
    /// Splits off the process; it becomes `owner`, if that is given.
    pub(crate) fn start(helper: &Helper, owner: Option<u32>) -> io::Result<Keeper> {
        let (socket, theirs) = wire::pair()?;
        let (talk, hear) = wire::pair()?;
        let process = sys::spawn(|| match keep(&theirs, &hear, helper, owner) {
            Ok(()) => 0,
            Err(_) => 1,
        })?;
        Ok(Keeper {
            socket,
            talk,
            process,
        })
    }

    /// Has the helper connect the namespace that this process is in.
    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let changes = route_changes()?;
        // As the host numbers it: what is mounted at /proc is still the host's.
        let own = rustix::fs::readlink("/proc/self", Vec::new())?;
        let open = |name: &str| {
            let path = format!("/proc/self/ns/{name}");
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        };
        let (user, net) = (open("user")?, open("net")?);
        wire::send(
            self.talk.as_fd(),
            own.as_bytes(),
            &[user.as_fd(), net.as_fd()],
        )?;
        let talk = self.talk.try_clone()?;
        Ok(Connection { talk, changes })
    }

    /// Readable when the helper has ended.
    pub(crate) fn socket(&self) -> PollFd<'_> {
        sys::readable(&self.socket)
    }

    /// Why the helper has ended.
    pub(crate) fn last_words(&self) -> String {
        words(&self.socket)
    }

    /// Ends the helper and waits until it is gone.
    pub(crate) fn end(self) {
        drop(self.socket);
        // It ends by itself then; there is nobody else to wait for it.
        drop(sys::wait_for(self.process));
    }
}

/// A network that the helper is about to connect.
#[derive(Debug)]
pub(crate) struct Connection {
    talk: OwnedFd,
    /// Readable when interfaces, addresses or routes have changed.
    changes: OwnedFd,
}

impl Connection {
    /// Waits until packets have a way out, and the helper has given up what it doesn't need.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut caged = false;
        loop {
            if caged && has_way_out() {
                return Ok(());
            }
            let mut fds = [sys::readable(&self.talk), sys::readable(&self.changes)];
            match rustix::event::poll(&mut fds, Some(&PATIENCE)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            if !fds[0].revents().is_empty() {
                match words(&self.talk) {
                    words if words == CAGED => caged = true,
                    words => return Err(io::Error::other(words)),
                }
            }
            // What has changed is looked up anew.
            let _ = rustix::io::read(&self.changes, &mut [0; 8192]);
        }
    }
}

fn words(socket: &OwnedFd) -> String {
    match wire::receive(socket.as_fd(), RecvFlags::DONTWAIT) {
        Ok((bytes, _)) if !bytes.is_empty() => String::from_utf8_lossy(&bytes).into_owned(),
        _ => "the network helper was killed".to_owned(),
    }
}

/// A socket that has something to read when interfaces, addresses or routes change.
fn route_changes() -> io::Result<OwnedFd> {
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    const LINK: u32 = 0x1;
    const ADDRESS_4: u32 = 0x10;
    const ROUTE_4: u32 = 0x40;
    const ADDRESS_6: u32 = 0x100;
    const ROUTE_6: u32 = 0x400;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let groups = LINK | ADDRESS_4 | ROUTE_4 | ADDRESS_6 | ROUTE_6;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Whether there is a default route over the helper's interface.
fn has_way_out() -> bool {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let four = read("/proc/self/net/route");
    let begin = format!("{INTERFACE}\t00000000\t");
    if four.lines().any(|line| line.starts_with(&begin)) {
        return true;
    }
    let zero = format!("{} 00 ", "0".repeat(32));
    let six = read("/proc/self/net/ipv6_route");
    six.lines()
        .any(|line| line.starts_with(&zero) && line.ends_with(INTERFACE))
}

/// The whole life of the process.
fn keep(socket: &OwnedFd, hear: &OwnedFd, helper: &Helper, owner: Option<u32>) -> io::Result<()> {
    // Nothing of the launcher's stays open: its socket to the daemon would seem alive for as long as we are.
    rustix::stdio::dup2_stdin(socket)?;
    rustix::stdio::dup2_stdout(hear)?;
    sys::close_from(3)?;
    let (socket, hear) = (sys::inherited(0)?, sys::inherited(1)?);
    if let Some(uid) = owner {
        userns::become_id(uid)?;
    }
    let Some((order, namespaces)) = first_order(&socket, &hear)? else {
        // The launcher has ended before it needed us.
        return Ok(());
    };
    let inside = std::str::from_utf8(&order)
        .ok()
        .and_then(|text| text.parse().ok());
    let (Some(inside), Ok([user, net])) = (inside, <[OwnedFd; 2]>::try_from(namespaces)) else {
        return Ok(());
    };
    if let Helper::Slirp(_) = helper {
        // Its own cage needs a uid 0 that jobs without a range of uids don't have.
        confine::helper_files()?;
    }
    let mut words = String::new();
    for way in ways(helper, app_armor()) {
        let flags = match way {
            Way::Inherited => FdFlags::empty(),
            Way::Process => FdFlags::CLOEXEC,
        };
        for namespace in [&user, &net] {
            rustix::io::fcntl_setfd(namespace, flags)?;
        }
        let mut child = command(helper, *way, inside, [&user, &net])
            .spawn()
            .inspect_err(|error| {
                let _ = wire::send(
                    hear.as_fd(),
                    format!("{}: {error}", helper.name()).as_bytes(),
                    &[],
                );
            })?;
        let ended = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let caged = wait_for_cage(child.id(), &ended, &socket);
        if caged {
            let _ = wire::send(hear.as_fd(), CAGED.as_bytes(), &[]);
        }
        let said = follow(&socket, &mut child, &ended);
        let by_itself = child.try_wait()?.is_some();
        drop(child.kill());
        let status = child.wait()?;
        words = format!("{} has ended ({status}) {said}", helper.name());
        if caged || !by_itself {
            break;
        }
    }
    // Nobody may be listening any more.
    for listener in [&hear, &socket] {
        let _ = wire::send(listener.as_fd(), words.trim_end().as_bytes(), &[]);
    }
    Ok(())
}

/// How a helper is told of the job's namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By descriptors that it inherits.
    Inherited,
    /// By a process inside.
    Process,
}

/// What is tried, in this order. slirp4netns opens both namespaces at once; in its cage it may look at itself only, so it
/// inherits them. pasta gets a process: since 2024 it closes what it inherits. But older ones come with a profile of
/// AppArmor that keeps them from looking into processes (Debian 12: the one of passt, without `ptrace`).
fn ways(helper: &Helper, app_armor: bool) -> &'static [Way] {
    match (helper, app_armor) {
        (Helper::Slirp(_), _) => &[Way::Inherited],
        (Helper::Pasta(_), true) => &[Way::Inherited, Way::Process],
        (Helper::Pasta(_), false) => &[Way::Process],
    }
}

/// Whether programs may be under profiles of AppArmor here.
fn app_armor() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|enabled| enabled.starts_with('Y'))
}

/// The number of the job's first process, and its user and network namespaces; `None` when the launcher hangs up first.
fn first_order(socket: &OwnedFd, hear: &OwnedFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    loop {
        let mut fds = [sys::readable(hear), PollFd::new(socket, PollFlags::RDHUP)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            let order = wire::receive(hear.as_fd(), RecvFlags::DONTWAIT)?;
            return Ok(Some(order).filter(|(order, _)| !order.is_empty()));
        }
        if !fds[1].revents().is_empty() {
            return Ok(None);
        }
    }
}

/// Waits until the helper has put itself under a system call filter, the last thing it does before it works; `false`
/// when it ended instead, or the launcher hung up. How long that may take is the launcher's business.
fn wait_for_cage(pid: u32, ended: &OwnedFd, socket: &OwnedFd) -> bool {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.lines().any(|line| line == "Seccomp:\t2") {
            return true;
        }
        let mut fds = [sys::readable(ended), PollFd::new(socket, PollFlags::RDHUP)];
        if !matches!(rustix::event::poll(&mut fds, Some(&LOOK)), Ok(0)) {
            return false;
        }
    }
}

/// Until the launcher hangs up or the helper ends; returns what the helper said last.
fn follow(socket: &OwnedFd, child: &mut Child, ended: &OwnedFd) -> String {
    let Some(words) = child.stderr.take().map(OwnedFd::from) else {
        return String::new();
    };
    let mut said = Vec::new();
    let mut listening = true;
    loop {
        let mut fds = [
            PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP),
            sys::readable(ended),
            sys::readable(&words),
        ];
        let watched = if listening { 3 } else { 2 };
        if rustix::event::poll(&mut fds[..watched], None).is_err() {
            continue;
        }
        if listening && !fds[2].revents().is_empty() {
            let mut buffer = [0; 1024];
            match rustix::io::read(&words, &mut buffer) {
                Ok(0) | Err(_) => listening = false,
                Ok(length) => said = buffer[..length].to_vec(),
            }
            continue;
        }
        if fds[..2].iter().any(|fd| !fd.revents().is_empty()) {
            let text = String::from_utf8_lossy(&said);
            let line = text
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            return line
                .chars()
                .filter(|c| !c.is_control())
                .take(MOST_WORDS)
                .collect();
        }
    }
}

/// pasta enters the job's user namespace first and looks for its network from there, where only what is inside can be
/// looked into: a process to name is one inside.
fn command(helper: &Helper, way: Way, inside: u32, namespaces: [&OwnedFd; 2]) -> Command {
    let [user, net] = match way {
        Way::Inherited => namespaces.map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())),
        Way::Process => ["user", "net"].map(|name| format!("/proc/{inside}/ns/{name}")),
    };
    let (program, words) = match helper {
        Helper::Pasta(program) => (program, pasta(&user, &net)),
        Helper::Slirp(program) => (program, slirp(&user, &net)),
    };
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// No port is forwarded in either direction, and no address means the host.
fn pasta(user: &str, net: &str) -> Vec<String> {
    let words = [
        "--foreground",
        "--quiet",
        "--config-net",
        "--no-map-gw",
        "--no-dhcp",
        "--no-dhcpv6",
        "--no-ra",
        "-t",
        "none",
        "-u",
        "none",
        "-T",
        "none",
        "-U",
        "none",
        "-a",
        ADDRESS,
        "-n",
        "24",
        "-g",
        GATEWAY,
        "--dns-forward",
        RESOLVER,
        "-I",
        INTERFACE,
        "--userns",
        user,
        "--netns",
        net,
    ];
    words.map(str::to_owned).to_vec()
}

fn slirp(user: &str, net: &str) -> Vec<String> {
    let user = format!("--userns-path={user}");
    let words = [
        "--configure",
        "--mtu=65520",
        "--disable-host-loopback",
        "--enable-seccomp",
        "--netns-type=path",
        &user,
        net,
        INTERFACE,
    ];
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_process_is_looked_into_only_where_it_may_be() {
        let (pasta, slirp) = (Helper::Pasta(PathBuf::new()), Helper::Slirp(PathBuf::new()));
        assert_eq!(ways(&pasta, false), [Way::Process]);
        assert_eq!(ways(&pasta, true), [Way::Inherited, Way::Process]);
        assert_eq!(ways(&slirp, true), [Way::Inherited]);
    }
}
