//! Network for a job: a user-mode helper outside, packet rules inside, both in place before the job's first instruction.
//!
//! Packets are judged by address, inside the job's own network namespace, where the job has no right to change the
//! rules. So no name, no gateway of the helper and no socket bound to an interface leads where an address may not go.

use std::collections::BTreeSet;
use std::io::{self, Seek, Write};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use crate::spec::Network;
use crate::{sys, tool};

mod keeper;
mod names;
mod rules;

pub(crate) use keeper::{Connection, Keeper};

/// Name of the interface inside.
const INTERFACE: &str = "net0";
/// The helper's network, as both helpers are told: the job's address, the way out, the name server.
const ADDRESS: &str = "10.0.2.100";
const GATEWAY: &str = "10.0.2.2";
const RESOLVER: &str = "10.0.2.3";

/// The program that carries packets between the job and the host's sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Helper {
    /// pasta(1).
    Pasta(PathBuf),
    /// slirp4netns(1).
    Slirp(PathBuf),
}

impl Helper {
    /// Its name for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Helper::Pasta(_) => "pasta",
            Helper::Slirp(_) => "slirp4netns",
        }
    }
}

/// What the job's `/etc` says about names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// `resolv.conf`.
    pub(crate) resolver: String,
    /// Further lines of `hosts`: address, name.
    pub(crate) hosts: Vec<(String, String)>,
}

/// Everything a run with a way out needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Egress {
    pub(crate) helper: Helper,
    /// For nft(8).
    pub(crate) rules: String,
    pub(crate) names: Names,
}

/// A host that a job may reach although others are closed, and a port, if only that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) address: IpAddr,
    pub(crate) port: Option<u16>,
    /// The operator wrote the address itself, not a name: it may be a private one.
    pub(crate) literal: bool,
}

/// The helper to use, or what is missing for one.
///
/// # Errors
/// In words, for the log and for `doctor`.
pub(crate) fn helper() -> Result<Helper, String> {
    if tool::find("nft").is_none() {
        return Err("nft isn't installed (package nftables)".to_owned());
    }
    let pasta = tool::find("pasta").map(Helper::Pasta);
    let slirp = tool::find("slirp4netns").map(Helper::Slirp);
    // pasta(1) wants a default route to take addresses from, and ends without one.
    let helper = match (pasta, slirp) {
        (Some(_), None) if !routed() => {
            return Err("this host has no default route itself, which pasta needs".to_owned());
        }
        (Some(_), Some(slirp)) if !routed() => slirp,
        (Some(pasta), _) => pasta,
        (None, Some(slirp)) => slirp,
        (None, None) => {
            return Err("neither pasta nor slirp4netns is installed (package passt)".to_owned());
        }
    };
    match tun() {
        true => Ok(helper),
        false => {
            Err("/dev/net/tun can't be opened by jobs' users (chmod 0666 /dev/net/tun)".to_owned())
        }
    }
}

/// Whether the host has a default route, or can't tell.
fn routed() -> bool {
    let read = |path| std::fs::read_to_string(path).ok();
    let (four, six) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
    (four.is_none() && six.is_none())
        || has_default_route(&four.unwrap_or_default(), &six.unwrap_or_default())
}

/// Whether one of the kernel's tables, of version 4 (proc(5), `/proc/net/route`: interface, destination, …, mask as the 8th
/// field) or 6 (destination, its prefix length, …, interface as the last), has a default route by a real interface.
fn has_default_route(four: &str, six: &str) -> bool {
    let real = |interface: &str| interface != "lo" && interface != "*";
    let four = four.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [interface, "00000000", _, _, _, _, _, "00000000", ..] if real(interface))
    });
    let six = six.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, "00", .., interface] if real(interface))
    });
    four || six
}

/// Whether the helper, which is an ordinary user, may make an interface.
fn tun() -> bool {
    use std::os::unix::fs::PermissionsExt;
    let path = "/dev/net/tun";
    match rustix::process::geteuid().is_root() {
        true => {
            std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o006 == 0o006)
        }
        false => {
            let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
            rustix::fs::access(path, access).is_ok()
        }
    }
}

/// What a run with this network needs, and the lines for the top of its log. Looks up names, so it may block.
///
/// # Errors
/// A host of the allow list that isn't one.
pub(crate) fn prepare(network: &Network) -> Result<(Option<Egress>, Vec<String>), String> {
    let Network::Egress { hosts } = network else {
        return Ok((None, Vec::new()));
    };
    let helper = match helper() {
        Ok(helper) => helper,
        Err(missing) => return Ok((None, vec![format!("no network: {missing}")])),
    };
    let own = rules::own_addresses();
    if hosts.is_empty() {
        let names = Names {
            resolver: format!("nameserver {RESOLVER}\n"),
            hosts: Vec::new(),
        };
        return Ok((
            Some(Egress {
                helper,
                rules: rules::open(&own),
                names,
            }),
            Vec::new(),
        ));
    }
    let found = names::look_up(hosts)?;
    let mut notices = found.notices;
    let literal: BTreeSet<IpAddr> = found
        .allowed
        .iter()
        .filter(|a| a.literal)
        .map(|a| a.address)
        .collect();
    if literal.iter().any(IpAddr::is_loopback) {
        notices.push("a loopback address in the list of hosts means the job itself".to_owned());
    }
    Ok((
        Some(Egress {
            helper,
            rules: rules::only(&own, &found.allowed),
            names: Names {
                resolver: String::new(),
                hosts: found.hosts,
            },
        }),
        notices,
    ))
}

/// Packet rules on their way into the present network namespace, whose rights this process has.
#[derive(Debug)]
pub(crate) struct Loading {
    program: Pid,
    said: std::fs::File,
}

impl Loading {
    pub(crate) fn start(rules: &str) -> io::Result<Loading> {
        let nft = tool::find("nft").ok_or_else(|| io::Error::other("nft is gone"))?;
        let mut input = std::fs::File::from(rustix::fs::memfd_create(
            "rules",
            rustix::fs::MemfdFlags::CLOEXEC,
        )?);
        input.write_all(rules.as_bytes())?;
        input.rewind()?;
        let said = std::fs::File::from(rustix::fs::memfd_create(
            "said",
            rustix::fs::MemfdFlags::CLOEXEC,
        )?);
        let mut command = Command::new(nft);
        command
            .args(["-f", "-"])
            .env_clear()
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(said.try_clone()?);
        let program = sys::spawn(|| {
            if let Err(error) = keep_over_exec() {
                tracing::debug!(%error, "rights can't be handed on");
            }
            drop(command.exec());
            127
        })?;
        Ok(Loading { program, said })
    }

    /// Waits until they hold.
    pub(crate) fn finish(self) -> io::Result<()> {
        let status = rustix::process::waitpid(Some(self.program), WaitOptions::empty())?;
        match status.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            _ => Err(io::Error::other(format!("nft: {}", first_line(self.said)))),
        }
    }
}

/// Whoever isn't uid 0 of its namespace loses its rights when it executes a program, unless it says otherwise.
fn keep_over_exec() -> io::Result<()> {
    let one = CapabilitySet::NET_ADMIN;
    let sets = CapabilitySets {
        effective: one,
        permitted: one,
        inheritable: one,
    };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(rustix::thread::configure_capability_in_ambient_set(
        one, true,
    )?)
}

fn first_line(mut file: std::fs::File) -> String {
    use std::io::Read;
    let mut text = Vec::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(4096).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        let title =
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let linked = "eth0\t0002000A\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0\n";
        let default = "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let refused = "*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n";
        let route = |text: &str| has_default_route(&format!("{title}{text}"), "");
        assert!(!route("") && !route(linked) && !route(refused));
        assert!(route(&format!("{linked}{default}")));

        let zero = "0".repeat(32);
        let six = |interface: &str| {
            let line =
                format!("{zero} 00 {zero} 00 {zero} 00000400 00000003 0 00000003 {interface}\n");
            has_default_route("", &line)
        };
        assert!(six("eth0"));
        // Every host has one that leads nowhere.
        assert!(!six("lo"));
        let linked = format!(
            "fd{} 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n",
            "0".repeat(30)
        );
        assert!(!has_default_route("", &linked));
    }
}
