//! The system call policy: what a job may ask of the kernel.
//!
//! Two filters, both always on. The first allows a list of calls and answers every other one, numbers above the table
//! and other ABIs' numbers included, with "no such call". The second says "not permitted" to calls that exist but are
//! closed, so that programs see an honest reason, and to some arguments of allowed calls. A call made through another
//! architecture's entry kills the process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};

mod table;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Flags of `clone` and `unshare` that make a new namespace (time, mount, cgroup, host name, IPC, user, process, network).
const NAMESPACE_FLAGS: [u64; 8] = [
    0x80, // time; in clone these bits are the exit signal, so only unshare checks it
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];

/// Terminal requests that put bytes into its input, run console functions, or change the line discipline.
const CLOSED_REQUESTS: [u64; 3] = [0x5412, 0x541c, 0x5423];

/// Families of sockets: unix, IPv4, IPv6, netlink.
const FAMILIES: [u64; 4] = [1, 2, 10, 16];
const NETLINK: u64 = 16;
const NETLINK_ROUTE: u64 = 0;
/// IP protocols: default, ICMP, TCP, UDP, ICMPv6, multipath TCP.
const PROTOCOLS: [u64; 6] = [0, 1, 6, 17, 58, 262];

/// Personalities: the plain one, 32-bit names, without address randomisation, "only ask".
const PERSONALITIES: [u64; 6] = [0, 0x8, 0x0002_0000, 0x0002_0008, 0x0004_0000, 0xffff_ffff];

/// Both filters, compiled once per process.
pub(crate) fn filters() -> Result<&'static [BpfProgram; 2], String> {
    static FILTERS: OnceLock<Result<[BpfProgram; 2], String>> = OnceLock::new();
    FILTERS.get_or_init(|| compile().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn compile() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let allowed = SeccompFilter::new(allowed(), errno(libc::ENOSYS), SeccompAction::Allow, arch)?;
    let closed = SeccompFilter::new(closed()?, SeccompAction::Allow, errno(libc::EPERM), arch)?;
    Ok([allowed.try_into()?, closed.try_into()?])
}

fn allowed() -> Rules {
    table::allowed().map(|number| (number, Vec::new())).collect()
}

fn closed() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = table::closed().map(|number| (number, Vec::new())).collect();
    let mut add = |number: libc::c_long, conditions: Vec<SeccompCondition>| {
        rules.entry(number).or_default().push(SeccompRule::new(conditions)?);
        Ok(())
    };
    for flag in NAMESPACE_FLAGS {
        let set = |argument| SeccompCondition::new(argument, Dword, MaskedEq(flag), flag);
        if flag != NAMESPACE_FLAGS[0] {
            add(libc::SYS_clone, vec![set(0)?])?;
        }
        add(libc::SYS_unshare, vec![set(0)?])?;
    }
    for request in CLOSED_REQUESTS {
        add(libc::SYS_ioctl, vec![SeccompCondition::new(1, Dword, Eq, request)?])?;
    }
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        add(call, none_of(0, &FAMILIES)?)?;
        let family = |number| SeccompCondition::new(0, Dword, Eq, number);
        add(call, vec![family(NETLINK)?, SeccompCondition::new(2, Dword, Ne, NETLINK_ROUTE)?])?;
        for inet in [2, 10] {
            let mut conditions = vec![family(inet)?];
            conditions.extend(none_of(2, &PROTOCOLS)?);
            add(call, conditions)?;
        }
    }
    add(libc::SYS_personality, none_of(0, &PERSONALITIES)?)?;
    Ok(rules)
}

/// The argument equals none of these.
fn none_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompCondition>, seccompiler::BackendError> {
    values.iter().map(|value| SeccompCondition::new(argument, Dword, Ne, *value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_closed() {
        let allowed: std::collections::BTreeSet<i64> = table::allowed().collect();
        for number in table::closed() {
            assert!(!allowed.contains(&number), "{number} is in both lists");
        }
    }

    #[test]
    fn calls_with_closed_arguments_are_allowed_otherwise() {
        let allowed = allowed();
        for number in [libc::SYS_clone, libc::SYS_unshare, libc::SYS_ioctl, libc::SYS_socket, libc::SYS_personality] {
            assert!(allowed.contains_key(&number));
        }
    }

    #[test]
    fn clone3_is_unknown_so_that_libc_falls_back_to_clone() {
        assert!(!allowed().contains_key(&libc::SYS_clone3));
        assert!(!closed().unwrap().contains_key(&libc::SYS_clone3));
    }

    #[test]
    fn both_filters_fit_into_the_kernels_limit() {
        for filter in filters().unwrap() {
            assert!(filter.len() < 4096, "{} instructions", filter.len());
        }
    }
}
