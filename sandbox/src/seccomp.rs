//! The system call policy: what a job may ask of the kernel.
//!
//! Calls on a list are allowed, some of them not with every argument. Calls that exist but are closed are answered with
//! "not permitted", so that programs see an honest reason; everything else, numbers above the table and other ABIs'
//! numbers included, with "no such call". A call made through another architecture's entry kills the process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::BpfProgram;

mod assemble;
mod table;

/// What is done about one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// No such call.
    Unknown,
    /// Not permitted.
    Closed,
    /// Allowed unless one of these holds; then not permitted.
    Allowed(&'static [Test]),
}

/// Something about a call's arguments; the lower 32 bits count, as for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// The argument has one of these bits.
    AnyBit(u8, u32),
    /// The argument has none of these bits.
    #[cfg(feature = "wasm")]
    NoBit(u8, u32),
    /// The argument is one of these.
    OneOf(u8, &'static [u32]),
    /// The argument is none of these.
    NoneOf(u8, &'static [u32]),
    /// The argument is the first number, and another argument is none of the rest: as if the kernel knew no more
    /// protocols of this family. Programs such as groupadd(8) go on without one that isn't there, and end when it is
    /// forbidden.
    WithNoneOf(u8, u32, u8, &'static [u32]),
}

/// Flags of `clone` that make a namespace: mount, cgroup, host name, IPC, user, process, network.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;
/// In `unshare` there is also time; in `clone` that bit is part of the exit signal.
const UNSHARE_NAMESPACES: u32 = CLONE_NAMESPACES | 0x80;

/// Terminal requests that put bytes into its input, run console functions, or change the line discipline.
const CLOSED_REQUESTS: &[u32] = &[0x5412, 0x541c, 0x5423];

/// Families of sockets: unix, IPv4, IPv6, netlink.
const FAMILIES: &[u32] = &[1, 2, 10, 16];
/// Of netlink, only routes.
const NETLINK: &[u32] = &[0];
/// IP protocols: default, ICMP, TCP, UDP, ICMPv6, multipath TCP.
const PROTOCOLS: &[u32] = &[0, 1, 6, 17, 58, 262];

/// Personalities: the plain one, 32-bit names, without address randomisation, "only ask".
const PERSONALITIES: &[u32] = &[0, 0x8, 0x0002_0000, 0x0002_0008, 0x0004_0000, 0xffff_ffff];

const SOCKET_TESTS: &[Test] = &[
    Test::NoneOf(0, FAMILIES),
    Test::WithNoneOf(0, 16, 2, NETLINK),
    Test::WithNoneOf(0, 2, 2, PROTOCOLS),
    Test::WithNoneOf(0, 10, 2, PROTOCOLS),
];

/// The first process of a jail has the job's uid, and the kernel lets everybody change limits and scheduling of what is
/// their own. It is none of the job's business.
const NOT_THE_FIRST: &[Test] = &[Test::OneOf(0, &[1])];
/// The same, where what kind of thing is meant comes first.
const NOT_THE_FIRST_WHO: &[Test] = &[Test::OneOf(1, &[1])];

/// Calls with closed arguments.
const TESTED: [(libc::c_long, &[Test]); 13] = [
    (libc::SYS_clone, &[Test::AnyBit(0, CLONE_NAMESPACES)]),
    (libc::SYS_unshare, &[Test::AnyBit(0, UNSHARE_NAMESPACES)]),
    (libc::SYS_ioctl, &[Test::OneOf(1, CLOSED_REQUESTS)]),
    (libc::SYS_socket, SOCKET_TESTS),
    (libc::SYS_socketpair, SOCKET_TESTS),
    (libc::SYS_personality, &[Test::NoneOf(0, PERSONALITIES)]),
    (libc::SYS_prlimit64, NOT_THE_FIRST),
    (libc::SYS_sched_setaffinity, NOT_THE_FIRST),
    (libc::SYS_sched_setparam, NOT_THE_FIRST),
    (libc::SYS_sched_setscheduler, NOT_THE_FIRST),
    (libc::SYS_sched_setattr, NOT_THE_FIRST),
    (libc::SYS_setpriority, NOT_THE_FIRST_WHO),
    (libc::SYS_ioprio_set, NOT_THE_FIRST_WHO),
];

/// The filter, made once per process.
pub(crate) fn filter() -> &'static BpfProgram {
    static FILTER: OnceLock<BpfProgram> = OnceLock::new();
    FILTER.get_or_init(|| assemble::program(&policy()))
}

/// Of `clone`: a thread, in the same namespaces.
#[cfg(feature = "wasm")]
const ONLY_THREADS: &[Test] = &[
    Test::AnyBit(0, CLONE_NAMESPACES),
    Test::NoBit(0, libc::CLONE_THREAD.cast_unsigned()),
];

/// The filter of a process that runs or compiles WASI programs: nothing that starts a program or a process, opens a
/// socket, or touches another process. `own` is its own process id.
#[cfg(feature = "wasm")]
pub(crate) fn filter_without_programs(own: u32) -> BpfProgram {
    let mut policy = policy();
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    policy.extend(table::closed_to_engines().map(|call| (number(call), Verdict::Closed)));
    // These outlive the filter's making only; one process makes one filter.
    let leak = |numbers: Vec<u32>| -> &'static [Test] {
        Box::leak(Box::new([Test::NoneOf(0, Vec::leak(numbers))]))
    };
    for (call, tests) in [
        (libc::SYS_tgkill, leak(vec![own])),
        (libc::SYS_prlimit64, leak(vec![0, own])),
        (libc::SYS_clone, ONLY_THREADS),
    ] {
        policy.insert(number(call), Verdict::Allowed(tests));
    }
    assemble::program(&policy)
}

fn policy() -> BTreeMap<u32, Verdict> {
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut policy = BTreeMap::new();
    policy.extend(table::allowed().map(|call| (number(call), Verdict::Allowed(&[]))));
    policy.extend(table::closed().map(|call| (number(call), Verdict::Closed)));
    policy.extend(TESTED.map(|(call, tests)| (number(call), Verdict::Allowed(tests))));
    policy
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
    fn calls_with_closed_arguments_are_in_the_list() {
        for (number, _) in TESTED {
            assert!(
                table::allowed().any(|allowed| allowed == number),
                "{number}"
            );
        }
    }

    #[test]
    fn clone3_is_unknown_so_that_libc_falls_back_to_clone() {
        let number = u32::try_from(libc::SYS_clone3).unwrap();
        assert_eq!(policy().get(&number), None);
    }

    #[test]
    fn the_namespace_flags_are_all_there() {
        let flags = [
            libc::CLONE_NEWNS,
            libc::CLONE_NEWCGROUP,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNET,
        ];
        assert_eq!(
            CLONE_NAMESPACES,
            flags
                .into_iter()
                .fold(0, |all, flag| all | flag.cast_unsigned())
        );
    }
}
