//! Turns the policy into a program for the kernel: a binary search over runs of equal calls.
//!
//! When a filter is installed the kernel walks it once for every system call there is, to remember which are always
//! allowed. With a chain of comparisons for each call, as `seccompiler` makes it, that took ten times as long: a fourth
//! of a whole jail's start. Loading stays with `seccompiler`.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, sock_filter};

use super::{Test, Verdict};

/// From `linux/audit.h`: the machine, 64 bit, little-endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Instructions: load a word, jump always, if equal, if not below, if a bit is set, return.
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const NO_SUCH_PROTOCOL: u32 = libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT.cast_unsigned();
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

fn op(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The whole program.
pub(super) fn program(policy: &BTreeMap<u32, Verdict>) -> BpfProgram {
    let mut program = vec![
        op(LOAD, ARCH, 0, 0),
        op(EQUAL, ARCHITECTURE, 1, 0),
        op(RETURN, KILL, 0, 0),
        op(LOAD, NUMBER, 0, 0),
    ];
    program.extend(search(&runs(policy)));
    program
}

/// Runs of neighbouring numbers with the same verdict, by their first number; the first begins at 0, the last never ends.
fn runs(policy: &BTreeMap<u32, Verdict>) -> Vec<(u32, Verdict)> {
    let mut runs = vec![(0, Verdict::Unknown)];
    let mut next = 0;
    let mut push = |start: u32, verdict: &Verdict| match runs.last_mut() {
        Some((_, last)) if last == verdict => {}
        Some((at, last)) if *at == start => *last = verdict.clone(),
        _ => runs.push((start, verdict.clone())),
    };
    for (number, verdict) in policy {
        if *number > next {
            push(next, &Verdict::Unknown);
        }
        push(*number, verdict);
        next = number.saturating_add(1);
    }
    push(next, &Verdict::Unknown);
    runs
}

fn search(runs: &[(u32, Verdict)]) -> BpfProgram {
    let (left, right) = match runs {
        [] => return vec![op(RETURN, NO_SUCH_CALL, 0, 0)],
        [(_, verdict)] => return leaf(verdict),
        _ => runs.split_at(runs.len() / 2),
    };
    let middle = right[0].0;
    let left = search(left);
    // A conditional jump reaches 255 instructions; beyond that it takes a plain one as a step.
    let mut program = match u8::try_from(left.len()) {
        Ok(distance) => vec![op(AT_LEAST, middle, distance, 0)],
        Err(_) => {
            vec![
                op(AT_LEAST, middle, 0, 1),
                op(JUMP, u32::try_from(left.len()).unwrap_or(u32::MAX), 0, 0),
            ]
        }
    };
    program.extend(left);
    program.extend(search(right));
    program
}

fn leaf(verdict: &Verdict) -> BpfProgram {
    match verdict {
        Verdict::Unknown => vec![op(RETURN, NO_SUCH_CALL, 0, 0)],
        Verdict::Closed => vec![op(RETURN, NOT_PERMITTED, 0, 0)],
        Verdict::Allowed(tests) => {
            let mut program: BpfProgram = tests.iter().flat_map(test).collect();
            program.push(op(RETURN, ALLOW, 0, 0));
            program
        }
    }
}

/// Refuses if the test holds, else falls through.
fn test(test: &Test) -> BpfProgram {
    let load = |argument: u8| op(LOAD, ARGUMENTS + 8 * u32::from(argument), 0, 0);
    let refuse = op(RETURN, NOT_PERMITTED, 0, 0);
    match *test {
        Test::AnyBit(argument, bits) => vec![load(argument), op(BITS, bits, 0, 1), refuse],
        #[cfg(feature = "wasm")]
        Test::NoBit(argument, bits) => vec![load(argument), op(BITS, bits, 1, 0), refuse],
        Test::OneOf(argument, values) => {
            let mut program = vec![load(argument)];
            for value in values {
                program.extend([op(EQUAL, *value, 0, 1), op(RETURN, NOT_PERMITTED, 0, 0)]);
            }
            program
        }
        Test::NoneOf(argument, values) => none_of(load(argument), values, refuse),
        Test::WithNoneOf(argument, number, other, values) => {
            let rest = none_of(load(other), values, op(RETURN, NO_SUCH_PROTOCOL, 0, 0));
            let mut program = vec![
                load(argument),
                op(
                    EQUAL,
                    number,
                    0,
                    u8::try_from(rest.len()).unwrap_or(u8::MAX),
                ),
            ];
            program.extend(rest);
            program
        }
    }
}

fn none_of(load: sock_filter, values: &[u32], refuse: sock_filter) -> BpfProgram {
    let mut program = vec![load];
    for (value, left) in values.iter().zip((1..=values.len()).rev()) {
        // Over the values that are left, and the refusal.
        program.push(op(EQUAL, *value, u8::try_from(left).unwrap_or(u8::MAX), 0));
    }
    program.push(refuse);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::{filter, policy};

    /// What the kernel would do: the instructions used here, on one call.
    fn answer(program: &[sock_filter], arch: u32, number: u32, arguments: [u32; 6]) -> u32 {
        let (mut at, mut a) = (0, 0);
        loop {
            let op = &program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
            match op.code {
                LOAD => {
                    a = match op.k {
                        NUMBER => number,
                        ARCH => arch,
                        offset => arguments[((offset - ARGUMENTS) / 8) as usize],
                    }
                }
                EQUAL => at += jump(a == op.k),
                AT_LEAST => at += jump(a >= op.k),
                BITS => at += jump(a & op.k != 0),
                JUMP => at += op.k as usize,
                RETURN => return op.k,
                other => panic!("unexpected instruction {other}"),
            }
        }
    }

    fn call(number: libc::c_long, arguments: [u32; 6]) -> u32 {
        answer(
            filter(),
            ARCHITECTURE,
            u32::try_from(number).unwrap(),
            arguments,
        )
    }

    #[test]
    fn every_number_gets_its_verdict() {
        let policy = policy();
        for number in (0..2000).chain([0x4000_0000, 0x4000_0027, u32::MAX - 1, u32::MAX]) {
            let expected = match policy.get(&number) {
                None | Some(Verdict::Unknown) => NO_SUCH_CALL,
                Some(Verdict::Closed) => NOT_PERMITTED,
                Some(Verdict::Allowed([])) => ALLOW,
                Some(Verdict::Allowed(_)) => continue,
            };
            assert_eq!(
                answer(filter(), ARCHITECTURE, number, [0; 6]),
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn another_architecture_is_killed() {
        assert_eq!(answer(filter(), 0x4000_0003, 1, [0; 6]), KILL);
    }

    #[test]
    fn arguments_are_looked_at() {
        let first = |number| [number, 0, 0, 0, 0, 0];
        assert_eq!(call(libc::SYS_clone, first(17)), ALLOW);
        assert_eq!(call(libc::SYS_clone, first(0x1000_0011)), NOT_PERMITTED);
        assert_eq!(call(libc::SYS_unshare, first(0x200)), ALLOW);
        assert_eq!(call(libc::SYS_unshare, first(0x80)), NOT_PERMITTED);
        assert_eq!(call(libc::SYS_ioctl, [0, 0x5413, 0, 0, 0, 0]), ALLOW);
        assert_eq!(
            call(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]),
            NOT_PERMITTED
        );
        assert_eq!(call(libc::SYS_personality, first(u32::MAX)), ALLOW);
        assert_eq!(call(libc::SYS_personality, first(3)), NOT_PERMITTED);
        for (pid, expected) in [(0, ALLOW), (1, NOT_PERMITTED), (2, ALLOW)] {
            assert_eq!(call(libc::SYS_prlimit64, first(pid)), expected);
            assert_eq!(call(libc::SYS_sched_setaffinity, first(pid)), expected);
            let who = [0, pid, 0, 0, 0, 0];
            assert_eq!(call(libc::SYS_setpriority, who), expected);
        }
    }

    #[test]
    fn sockets_by_family_and_protocol() {
        for number in [libc::SYS_socket, libc::SYS_socketpair] {
            let socket = |family, protocol| call(number, [family, 1, protocol, 0, 0, 0]);
            for (family, protocol) in [(1, 0), (1, 9), (2, 0), (2, 6), (2, 262), (10, 58), (16, 0)]
            {
                assert_eq!(socket(family, protocol), ALLOW, "{family} {protocol}");
            }
            for (family, protocol) in [(0, 0), (17, 0), (40, 0), (u32::MAX, 0)] {
                let answer = socket(family, protocol);
                assert_eq!(answer, NOT_PERMITTED, "{family} {protocol}");
            }
            // 16, 9: audit, which groupadd asks for.
            for (family, protocol) in [(2, 132), (10, 33), (16, 12), (16, 9)] {
                let answer = socket(family, protocol);
                assert_eq!(answer, NO_SUCH_PROTOCOL, "{family} {protocol}");
            }
        }
    }

    #[test]
    fn far_jumps_reach() {
        let policy: BTreeMap<u32, Verdict> =
            (0..2000).step_by(2).map(|n| (n, Verdict::Closed)).collect();
        let program = program(&policy);
        for number in 0..2002 {
            let expected = if number % 2 == 0 && number < 2000 {
                NOT_PERMITTED
            } else {
                NO_SUCH_CALL
            };
            assert_eq!(answer(&program, ARCHITECTURE, number, [0; 6]), expected);
        }
    }

    #[test]
    fn the_filter_is_short() {
        assert!(filter().len() < 700, "{}", filter().len());
    }

    #[cfg(feature = "wasm")]
    #[test]
    fn a_process_with_programs_of_its_own_starts_none_of_the_host_and_signals_only_itself() {
        let program = crate::seccomp::filter_without_programs(77);
        let ask = |call: i64, arguments: [u32; 6]| {
            answer(
                &program,
                ARCHITECTURE,
                u32::try_from(call).unwrap(),
                arguments,
            )
        };
        let thread = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND).cast_unsigned();
        for (call, first, expected) in [
            (libc::SYS_execve, 0, NOT_PERMITTED),
            (libc::SYS_socket, 2, NOT_PERMITTED),
            (libc::SYS_kill, 77, NOT_PERMITTED),
            (
                libc::SYS_clone,
                libc::SIGCHLD.cast_unsigned(),
                NOT_PERMITTED,
            ),
            (libc::SYS_clone, thread, ALLOW),
            (libc::SYS_tgkill, 78, NOT_PERMITTED),
            (libc::SYS_tgkill, 77, ALLOW),
            (libc::SYS_prlimit64, 78, NOT_PERMITTED),
            (libc::SYS_prlimit64, 77, ALLOW),
            (libc::SYS_prlimit64, 0, ALLOW),
            (libc::SYS_openat, 0, ALLOW),
        ] {
            assert_eq!(
                ask(call, [first, 0, 0, 0, 0, 0]),
                expected,
                "{call} {first}"
            );
        }
    }
}
