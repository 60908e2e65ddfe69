//! Section D: network; and E12, hostile text as data.

use std::io::Write;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use assay_sandbox::{Keyboard, Outcome, RunSpec};

use crate::typed;
use crate::world::{Case, Needs, Tried, World, case, expect, go, needing, spec};

pub(crate) const CASES: &[Case] = &[
    case("D1 interfaces", interfaces),
    needing(Needs::Perl, "D2 host loopback", host_loopback),
    case("D10 tries out", tries_out),
    needing(Needs::Perl, "D11 abstract socket", abstract_socket),
    case("D12 socket files", socket_files),
    needing(Needs::Perl, "D13 another job", another_job),
    case("D18 name service", name_service),
    case("E12 hostile text", hostile_text),
    case("C24 huge environment", huge_environment),
    case("E1 the daemon's environment", daemon_environment),
    needing(Needs::Uids, "C22 counters of one uid", counters),
];

fn interfaces(world: &World) -> Tried {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let done = world.job("tail -n +3 /proc/net/dev; tail -n +2 /proc/net/route; tail -n +2 /proc/net/tcp; tail -n +2 /proc/net/unix")?;
    drop(listener);
    let lines: Vec<&str> = done.output.lines().collect();
    expect(
        lines.len() == 1 && lines[0].trim_start().starts_with("lo:"),
        &done,
    )
}

/// Answers whoever connects, until dropped.
fn listener() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop((&stream).write_all(b"CANARY\n"));
        }
    });
    Ok(port)
}

fn host_loopback(world: &World) -> Tried {
    let port = listener()?;
    let done = world.job(&format!(
        "cat </dev/tcp/127.0.0.1/{port}; cat </dev/tcp/::1/{port}; true"
    ))?;
    expect(
        !done.output.contains("CANARY") && done.output.contains("refused"),
        &done,
    )?;
    // Twin: its own loopback works.
    let twin = "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\") or die $!; \
                if (!fork) { $c = IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $l->sockport) or die $!; print $c \"TWIN\\n\"; exit } \
                $s = $l->accept; print scalar <$s>'";
    let done = world.job(twin)?;
    expect(done.output == "TWIN\n", &done)
}

fn tries_out(world: &World) -> Tried {
    let began = Instant::now();
    let done = world.job("for a in 192.0.2.1 10.0.0.1 169.254.169.254 8.8.8.8; do (: </dev/tcp/$a/80) 2>&1; (: </dev/udp/$a/53) 2>&1; done")?;
    let unreachable = done.output.matches("unreachable").count() >= 8;
    expect(
        unreachable && began.elapsed() < Duration::from_secs(5),
        &done,
    )
}

fn abstract_socket(world: &World) -> Tried {
    let name = format!("assay-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).map_err(|e| e.to_string())?;
    let _listener = UnixListener::bind_addr(&address).map_err(|e| e.to_string())?;
    let connect = |name: &str| {
        format!(
            "socket(S, AF_UNIX, SOCK_STREAM, 0); $a = pack(\"Sa*\", AF_UNIX, \"\\0{name}\"); print connect(S, $a) ? \"CONNECTED\\n\" : \"no\\n\";"
        )
    };
    let done = world.job(&format!("perl -MSocket -e '{}'", connect(&name)))?;
    expect(done.output == "no\n", &done)?;
    let twin = format!(
        "perl -MSocket -e 'socket(L, AF_UNIX, SOCK_STREAM, 0); bind(L, pack(\"Sa*\", AF_UNIX, \"\\0mine\")) or die; listen(L, 1); {}'",
        connect("mine")
    );
    let done = world.job(&twin)?;
    expect(done.output == "CONNECTED\n", &done)
}

fn socket_files(world: &World) -> Tried {
    let done =
        world.job("find / -type s 2>/dev/null; find /etc/passwd -type f >/dev/null && echo END")?;
    expect(done.output == "END\n", &done)
}

/// A service at port 8000 that keeps a name. Once somebody has pressed a key, another process asks for what it keeps, and a
/// third one tries to have the same port.
fn keeper(name: &str) -> RunSpec {
    let listen =
        "IO::Socket::INET->new(Listen => 5, LocalAddr => \"127.0.0.1\", LocalPort => 8000)";
    spec(&format!(
        "exec 4< <(exec perl -MIO::Socket::INET -e '$l = {listen} or die $!; $| = 1; print \"UP\\n\"; \
         while ($s = $l->accept) {{ print $s \"{name}\\n\"; close $s }}'); read -r up <&4; echo \"$up\"; read -r key; \
         echo \"HELD $(cat </dev/tcp/127.0.0.1/8000)\"; perl -MIO::Socket::INET -e '{listen} or print \"TAKEN $!\\n\"'"
    ))
}

fn another_job(world: &World) -> Tried {
    let both_up = tokio::sync::Barrier::new(2);
    let run = async |name: &str| {
        let mut met = false;
        typed::attended(world, keeper(name), async |keyboard, output| {
            if output.contains("UP") && !met {
                met = true;
                both_up.wait().await;
                keyboard.write(b"\n".to_vec()).await;
            }
        })
        .await
    };
    let both = world.runtime.block_on(async {
        let both = async { tokio::join!(run("FIRST"), run("SECOND")) };
        tokio::time::timeout(Duration::from_secs(60), both).await
    });
    let (first, second) = both.map_err(|_| "one of them did not come up, or hangs")?;
    for (done, own, other) in [
        (first?, "HELD FIRST", "SECOND"),
        (second?, "HELD SECOND", "FIRST"),
    ] {
        // Twins: its own processes meet there, and get into each other's way there.
        let twins = done.1.contains(own) && done.1.contains("TAKEN Address already in use");
        expect(twins && !done.1.contains(other), &done)?;
    }
    Ok(())
}

fn name_service(world: &World) -> Tried {
    let began = Instant::now();
    let done = world.job("wc -c </etc/resolv.conf; getent hosts x.test && echo FOUND; getent hosts localhost >/dev/null && echo TWIN")?;
    expect(
        done.output == "0\nTWIN\n" && began.elapsed() < Duration::from_secs(5),
        &done,
    )
}

fn hostile_text(world: &World) -> Tried {
    let branch = "a$(id>/tmp/p)b`id>/tmp/p`;id>/tmp/p";
    let message = "one\ntwo \"quoted\" 'too' \\ $HOME\t\u{1b}[2J\u{7f}é";
    let mut with = spec(
        "printf '%s\\0%s\\0%s\\0' \"$BRANCH\" \"$MESSAGE\" \"$1\" >got; cmp got want && echo SAME; ls /tmp/p",
    );
    with.env.push(("BRANCH".into(), branch.into()));
    with.env.push(("MESSAGE".into(), message.into()));
    with.env
        .push(("BASH_FUNC_ls%%".into(), "() { echo HIJACKED; }".into()));
    with.argv.extend(["name".to_owned(), branch.to_owned()]);
    let want = format!("{branch}\0{message}\0{branch}\0");
    let done = world
        .run_with(with, move |tree| tree.file(b"want", false, want.as_bytes()))
        .map_err(|e| e.to_string())?;
    // The variables are the caller's own: what a shell makes of odd ones is not this crate's business.
    expect(done.output.starts_with("SAME\n"), &done)?;
    let clean = world.job("ls /tmp/p")?;
    expect(clean.outcome == Outcome::Exited(2), &clean)
}

fn daemon_environment(world: &World) -> Tried {
    let script = "env; for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; tr '\\0' ' ' <$p/cmdline; done 2>/dev/null";
    let mut with = spec(script);
    with.env.push(("GIVEN".into(), "twin".into()));
    let done = world.run(with)?;
    // Whatever this program was started with, the job has only what it was given, and what its shell adds.
    let foreign: Vec<String> = std::env::vars()
        .map(|(name, _)| format!("\n{name}="))
        .filter(|line| {
            !["PATH", "HOME", "TERM", "PWD", "SHLVL", "_", "OLDPWD"]
                .iter()
                .any(|own| *line == format!("\n{own}="))
        })
        .filter(|line| done.output.contains(line.as_str()))
        .collect();
    expect(
        foreign.is_empty() && done.output.contains("GIVEN=twin"),
        &(foreign, &done),
    )
}

/// The kernel counts inotify instances for each uid of the host: one job must not use up another's.
fn counters(world: &World) -> Tried {
    // As many as are left, until its input ends or it is killed.
    let hold = format!(
        "perl -e '$| = 1; 1 while syscall({INOTIFY}, 0) >= 0; print \"HELD\\n\"; read(STDIN, $x, 1)'"
    );
    let make = format!("perl -e 'print syscall({INOTIFY}, 0) >= 0 ? \"MADE\\n\" : \"none $!\\n\"'");
    weak_counters(&hold, &make)?;
    let mut first = spec(&format!("{hold} </dev/tty"));
    first.limits.wall = Duration::from_secs(20);
    let mut second = None;
    let person = async |keyboard: &Keyboard, output: &str| {
        if second.is_none() && output.contains("HELD") {
            second = Some(go(&world.launcher, spec(&make), |_| Ok(())).await);
            keyboard.write(b"\n".to_vec()).await;
        }
    };
    let held = typed::attend(world, first, person)?;
    let second = second.ok_or("nothing was held")?;
    let second = second.map_err(|e| e.to_string())?;
    expect(
        held.0 == Outcome::Exited(0) && second.output == "MADE\n",
        &(held, second),
    )
}

/// `inotify_init`, of which the kernel lets a uid have no more than 128.
const INOTIFY: libc::c_long = libc::SYS_inotify_init1;

/// Two processes of one uid, as jobs of one uid would be: the second finds nothing left.
fn weak_counters(hold: &str, make: &str) -> Tried {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let text = |e: std::io::Error| e.to_string();
    let alike = |script: &str| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                "1799999999",
                "--clear-groups",
                "bash",
                "-c",
                script,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    };
    let mut first = alike(hold).spawn().map_err(text)?;
    let mut line = String::new();
    let output = first.stdout.take().ok_or("no output")?;
    BufReader::new(output).read_line(&mut line).map_err(text)?;
    let second = alike(make).output().map_err(text)?;
    drop(first.stdin.take());
    first.wait().map_err(text)?;
    expect(
        line == "HELD\n" && !second.stdout.starts_with(b"MADE"),
        &(line, second),
    )
}

fn huge_environment(world: &World) -> Tried {
    let mut with = spec("echo RAN");
    with.env.push(("HUGE".into(), "x".repeat(3 << 20)));
    let result = world.run(with);
    expect(
        result
            .as_ref()
            .is_err_and(|error| error.contains("environment variable: \"HUGE\"")),
        &result,
    )?;
    let mut twin = spec("echo ${#LARGE}");
    twin.env.push(("LARGE".into(), "x".repeat(120_000)));
    let done = world.run(twin)?;
    expect(done.output == "120000\n", &done)
}
