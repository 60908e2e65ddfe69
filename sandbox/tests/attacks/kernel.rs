//! Section B: kernel surface and privilege.

use assay_sandbox::Outcome;

use crate::world::{Case, Flavour, Needs, Tried, World, call, case, expect, flavour, needing};

const fn perl(name: &'static str, run: fn(&World) -> Tried) -> Case {
    needing(Needs::Perl, name, run)
}

pub(crate) const CASES: &[Case] = &[
    case("B1 nested user namespace", nested),
    perl("B2-B6 closed kernel parts", closed_parts),
    case("B7 memory of pid 1", first_process),
    perl("B8 ptrace of pid 1", ptrace),
    perl("B9 modules and kexec", modules),
    perl("B10 terminal input", terminal_input),
    case("B11-B12 clock and host name", clock_and_name),
    case("B13 ports and memory", ports),
    perl("B14 socket families", families),
    perl("B15 vsock", vsock),
    perl("B16 other ABI", other_abi),
    case("B17 kernel log and addresses", log_and_addresses),
    perl("B18 reboot and accounting", reboot),
    case("B19 capabilities", capabilities),
    case("B20 core dump", core_dump),
    case("B21 filter enforced", filter),
    case("B22 priority", priority),
    perl("clone and unshare flags", clone_flags),
];

/// The twin of raw calls that are refused: one that is open.
fn open_call() -> String {
    call(libc::SYS_sched_yield, "")
}

fn nested(world: &World) -> Tried {
    let script = "unshare -U true && echo NESTED; unshare -Ur true && echo NESTED; unshare -n true && echo NESTED; \
                  sed -n 1p /proc/self/uid_map; (true) && echo TWIN";
    let done = world.job(script)?;
    // One uid, or with an image one range; uid 0 of the host is never in it.
    let (first, count) = if flavour() == Flavour::Host || !world.ranged {
        ("1000", "1")
    } else {
        ("0", "65536")
    };
    let map: Vec<Vec<&str>> = done
        .output
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() == 3 && fields.iter().all(|f| f.parse::<u32>().is_ok()))
        .collect();
    let mapped =
        matches!(map.as_slice(), [line] if line[0] == first && line[1] != "0" && line[2] == count);
    expect(
        !done.output.contains("NESTED") && mapped && done.output.contains("TWIN"),
        &done,
    )
}

fn closed_parts(world: &World) -> Tried {
    let calls = [
        call(libc::SYS_io_uring_setup, "4, 0"),
        call(libc::SYS_userfaultfd, "1"),
        call(libc::SYS_bpf, "0, 0, 0"),
        call(libc::SYS_perf_event_open, "0, 0, -1, -1, 0"),
        call(libc::SYS_keyctl, "0, -4, 0"),
        call(libc::SYS_add_key, "$0, $0, $0, 1, -4"),
        open_call(),
    ];
    let done = world.job(&calls.concat())?;
    let closed = calls.len() - 1;
    expect(
        done.output == format!("{}0 0\n", "-1 1\n".repeat(closed)),
        &done,
    )
}

fn first_process(world: &World) -> Tried {
    let script = "cat /proc/1/environ /proc/1/maps /proc/1/mem >/tmp/got 2>/dev/null; wc -c </tmp/got; ls /proc/1/fd >/dev/null 2>&1 && echo FD; \
                  cat /proc/*/cmdline >/dev/null; for p in /proc/[0-9]*; do echo ${p#/proc/}; done; tr '\\0' ' ' </proc/self/environ >/dev/null && echo TWIN";
    let done = world.job(script)?;
    let mut lines = done.output.lines();
    let nothing = lines.next() == Some("0") && !done.output.contains("FD");
    let pids = done
        .output
        .lines()
        .skip(1)
        .filter(|line| line.parse::<u32>().is_ok())
        .count();
    expect(nothing && pids <= 4 && done.output.contains("TWIN"), &done)
}

fn ptrace(world: &World) -> Tried {
    let script = [
        call(libc::SYS_ptrace, "16, 1, 0, 0"),
        call(libc::SYS_ptrace, "0x4206, 1, 0, 0"),
        format!(
            "perl -e '$b = \"x\" x 64; $v = pack(\"PQ\", $b, 64); $r = syscall({}, 1, $v, 1, $v, 1, 0); printf \"%d %d\\n\", $r, $!+0'; ",
            libc::SYS_process_vm_readv
        ),
        call(libc::SYS_pidfd_open, "1, 0"),
        // Its limits and its place among others: the kernel would let whoever has its uid change them.
        call(libc::SYS_prlimit64, "1, 7, 0, 0"),
        call(libc::SYS_setpriority, "0, 1, 19"),
        call(libc::SYS_prlimit64, "0, 7, 0, 0"),
        // Twin: its own child may be traced; leak checkers need it.
        format!(
            "perl -e '$p = fork; if (!$p) {{ sleep 60; exit }} $r = syscall({}, 0x4206, $p, 0, 0); printf \"child %d\\n\", $r; kill 9, $p'",
            libc::SYS_ptrace
        ),
    ];
    let done = world.job(&script.concat())?;
    let lines: Vec<&str> = done.output.lines().collect();
    expect(
        lines.len() == 8
            && lines[..3] == ["-1 1", "-1 1", "-1 1"]
            && lines[4..6] == ["-1 1", "-1 1"]
            && lines[6].starts_with("0 ")
            && lines[7] == "child 0",
        &done,
    )
}

fn modules(world: &World) -> Tried {
    let calls = [
        call(libc::SYS_init_module, "0, 0, $0"),
        call(libc::SYS_finit_module, "-1, $0, 0"),
        call(libc::SYS_kexec_load, "0, 0, 0, 0"),
        open_call(),
    ];
    let done = world.job(&calls.concat())?;
    expect(done.output == "-1 1\n-1 1\n-1 1\n0 0\n", &done)
}

fn terminal_input(world: &World) -> Tried {
    let script = "perl -e '$b = \"x\"; for $q (0x5412, 0x541c, 0x5423) { for $f (*STDIN, *STDOUT) { $r = ioctl($f, $q, $b); printf \"%s %d\\n\", defined $r ? \"DONE\" : \"no\", $!+0 } }'; \
                  stty size; echo x >/dev/tty && echo TWIN";
    let done = world.job(script)?;
    let expected = format!("{}24 80\nx\nTWIN\n", "no 1\n".repeat(6));
    expect(done.output == expected, &done)
}

fn clock_and_name(world: &World) -> Tried {
    let name = rustix::system::uname().nodename().to_owned();
    let done = world
        .job("date -s 2001-01-01 >/dev/null && echo SET; date +%Y; hostname evil; hostname")?;
    let year = |line: &str| line.len() == 4 && line.parse::<u32>().is_ok();
    let fine = done.output.lines().any(year)
        && !done.output.contains("SET")
        && !done.output.contains("2001")
        && done.output.ends_with("assay\n");
    expect(
        fine && rustix::system::uname().nodename() == name.as_c_str(),
        &done,
    )
}

fn ports(world: &World) -> Tried {
    let done =
        world.job("ls /dev/mem /dev/port /dev/kmsg; head -c 1 /proc/kcore && echo READ; echo x >/dev/null && echo TWIN")?;
    expect(
        !done.output.contains("READ")
            && done.output.matches("/dev/").count() == 3
            && done.output.contains("TWIN"),
        &done,
    )
}

fn families(world: &World) -> Tried {
    let script = "perl -e 'for $f (17, 38, 44, 40, 31, 29, 21, 4, 5, 9) { for $t (1, 2, 3) { print \"MADE $f $t\\n\" if socket(S, $f, $t, 0) } } \
                  print \"netfilter\\n\" if socket(S, 16, 3, 12); print \"sctp\\n\" if socket(S, 2, 1, 132); print \"raw\\n\" if socket(S, 2, 3, 1); \
                  for $f (1, 2, 10) { print \"TWIN\\n\" if socket(S, $f, 1, 0) } print \"TWIN\\n\" if socket(S, 16, 3, 0)'";
    let done = world.job(script)?;
    expect(done.output == "TWIN\n".repeat(4), &done)
}

fn vsock(world: &World) -> Tried {
    let done = world.job("perl -e 'for $t (1, 2) { printf \"%s %d\\n\", socket(S, 40, $t, 0) ? \"MADE\" : \"no\", $!+0 } print \"TWIN\n\" if socket(S, 1, 1, 0)'")?;
    expect(done.output == "no 1\nno 1\nTWIN\n", &done)
}

fn other_abi(world: &World) -> Tried {
    let calls = [call(0x4000_0000 + 39, ""), call(100_000, ""), open_call()];
    let done = world.job(&calls.concat())?;
    expect(done.output == "-1 38\n-1 38\n0 0\n", &done)
}

fn log_and_addresses(world: &World) -> Tried {
    let done = world.job("dmesg && echo READ; wc -c </proc/kallsyms; wc -c </proc/keys; head -c 1 /proc/timer_list && echo READ; grep -q Name /proc/self/status && echo TWIN")?;
    expect(
        done.output.ends_with("TWIN\n")
            && !done.output.contains("READ")
            && !done
                .output
                .lines()
                .any(|line| line.parse::<u32>().is_ok_and(|n| n > 0)),
        &done,
    )
}

fn reboot(world: &World) -> Tried {
    let calls = [
        call(libc::SYS_reboot, "0xfee1dead, 672274793, 0x1234567, 0"),
        call(libc::SYS_acct, "0"),
        call(libc::SYS_swapoff, "$0"),
        open_call(),
    ];
    let done = world.job(&calls.concat())?;
    expect(done.output == "-1 1\n-1 1\n-1 1\n0 0\n", &done)
}

fn capabilities(world: &World) -> Tried {
    let done = world.job("sed -n '/^Cap/p' /proc/self/status")?;
    // Inherited, permitted, effective, bounding, ambient. The root profile has eight, and can't get others.
    let rights = if flavour() == Flavour::Root {
        "00000000800004eb"
    } else {
        "0000000000000000"
    };
    let expected = [
        "0000000000000000",
        rights,
        rights,
        rights,
        "0000000000000000",
    ];
    let sets: Vec<&str> = done
        .output
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    expect(sets == expected, &done)
}

fn core_dump(world: &World) -> Tried {
    let done = world.job("ulimit -c; sh -c 'kill -SEGV $$'; echo $?; ls core*")?;
    expect(
        done.output.starts_with("0\n")
            && done.output.contains("139\n")
            && done.output.contains("No such file"),
        &done,
    )
}

fn filter(world: &World) -> Tried {
    let done = world.job("sed -n '/^Seccomp/p' /proc/self/status")?;
    expect(
        done.output.contains("Seccomp:\t2\n") && done.output.contains("Seccomp_filters:\t1\n"),
        &done,
    )
}

fn priority(world: &World) -> Tried {
    let done = world.job("nice -n -5 true 2>&1; renice -n -5 $$ 2>&1; nice -n 5 nice")?;
    expect(
        done.output.contains("ermission denied") && done.output.ends_with("5\n"),
        &done,
    )
}

fn clone_flags(world: &World) -> Tried {
    let flags = [
        0x80,
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000_u64,
    ];
    let unshare: String = flags
        .map(|flag| call(libc::SYS_unshare, &flag.to_string()))
        .concat();
    // The child signal is part of the flags: a namespace bit must be seen beside it.
    let clone: String = flags[1..]
        .iter()
        .map(|flag| call(libc::SYS_clone, &format!("{}, 0, 0, 0, 0", flag + 17)))
        .collect();
    let twin = call(libc::SYS_unshare, "0x200");
    let done = world.job(&[unshare, clone, call(libc::SYS_clone3, "0, 0"), twin].concat())?;
    let expected = format!("{}-1 38\n0 0\n", "-1 1\n".repeat(15));
    expect(
        done.output == expected && done.outcome == Outcome::Exited(0),
        &done,
    )
}
