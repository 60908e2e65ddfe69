//! Whether the rows can tell: each probe is run in the jail, where it must not get through, and then with no sandbox at all,
//! where it must. What an attack would break is only looked at, not broken.

use std::io::Write;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

use crate::world::{Case, Flavour, Needs, Tried, World, expect, flavour};

pub(crate) const CASES: &[Case] = &[Case {
    name: "W the same probes get through without a sandbox",
    needs: Needs::Perl,
    run: probes,
}];

/// A raw system call that prints `GOT` when `condition` holds for its result `$r` and error number `$e`.
fn raw(number: libc::c_long, arguments: &str, condition: &str) -> String {
    format!(
        "perl -e '$b = \"\\0\" x 200; $r = syscall({number}, {arguments}); $e = $! + 0; print \"GOT\\n\" if {condition}'"
    )
}

fn probes(world: &World) -> Tried {
    // Once is enough: the other passes differ in the root's content and in rights, not in what the probes look for.
    if flavour() != Flavour::Host {
        return Ok(());
    }
    let text = |e: std::io::Error| e.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
    let port = listener.local_addr().map_err(text)?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop((&stream).write_all(b"GOT\n"));
        }
    });
    let name = format!("assay-weak-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
    let _abstract = UnixListener::bind_addr(&address).map_err(text)?;
    let path = world.folder.path().join("socket");
    drop(std::fs::remove_file(&path));
    let _socket = UnixListener::bind(&path).map_err(text)?;
    let canary = world.canary();
    let all = [
        (
            "A1 host file",
            format!("grep -q CANARY {canary} && echo GOT"),
        ),
        ("A12 devices", "test -e /dev/kmsg && echo GOT".to_owned()),
        (
            "B1 user namespace",
            "unshare -Ur true && echo GOT".to_owned(),
        ),
        (
            "B2 io_uring",
            raw(libc::SYS_io_uring_setup, "4, $b", "$r >= 0"),
        ),
        ("B3 userfaultfd", raw(libc::SYS_userfaultfd, "1", "$r >= 0")),
        (
            "B5 perf events",
            raw(libc::SYS_perf_event_open, "0, 0, -1, -1, 0", "$e == 14"),
        ),
        ("B6 keyring", raw(libc::SYS_keyctl, "0, -4, 0", "$r > 0")),
        (
            "B7 parent's environment",
            "grep -q PATH /proc/$PPID/environ && echo GOT".to_owned(),
        ),
        ("B15 vsock", raw(libc::SYS_socket, "40, 1, 0", "$r >= 0")),
        (
            "B16 large number",
            raw(libc::SYS_personality, "0x0000004", "$r >= 0"),
        ),
        (
            "B17 kernel addresses",
            "grep -q . /proc/kallsyms && echo GOT".to_owned(),
        ),
        (
            "B20 core dumps",
            "ulimit -c unlimited && echo GOT".to_owned(),
        ),
        (
            "C16 processes of the host",
            format!("test -d /proc/{} && echo GOT", std::process::id()),
        ),
        ("D2 loopback", format!("cat </dev/tcp/127.0.0.1/{port}")),
        (
            "D11 abstract socket",
            format!(
                "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print \"GOT\\n\" if connect(S, pack(\"Sa*\", AF_UNIX, \"\\0{name}\"))'"
            ),
        ),
        (
            "D12 socket file",
            format!("test -S {} && echo GOT", path.display()),
        ),
    ];
    for (name, script) in &all {
        let held = world.job(&format!("{script}; true"))?;
        expect(!held.output.contains("GOT"), &(name, &held))?;
        let weak = Command::new("bash")
            .args(["-c", script])
            .output()
            .map_err(text)?;
        let through = String::from_utf8_lossy(&weak.stdout).contains("GOT");
        // A host may be closed by itself; then the probe proves nothing here, and says so.
        if !through {
            println!(
                "note {:4} {name}: this host refuses it without any sandbox",
                world.who
            );
        }
    }
    Ok(())
}
