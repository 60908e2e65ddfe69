//! Section D with a way out: what is reached, and what never is. Every address that a job is refused is one that answers
//! when this program itself asks: so the rows can tell.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use assay_sandbox::{Network, Outcome, Run, RunEvent, RunSpec};

use crate::outside::{CLOSED, CLOSED_6, OURS, PORT, SITE, SITE_6};
use crate::world::{Case, Needs, Tried, World, call, expect, go, needing, spec};

const fn case(name: &'static str, run: fn(&World) -> Tried) -> Case {
    needing(Needs::Outside, name, run)
}

pub(crate) const CASES: &[Case] = &[
    case("D egress reaches the internet", internet),
    case("D3-D5 host by gateway, addresses, forwards", host),
    case("D6 metadata", metadata),
    case("D7 private ranges", private),
    case("D8 rebound names", rebound),
    case("D9 the same by IPv6", six),
    case("D13 another sandbox", another),
    case("D14 listens for the outside", listens),
    case("D15 loosen the rules", loosen),
    case("D15 around the routes", around),
    case("D16 raw packets", raw),
    case("D17 helper in a cage", caged),
    case("D helper dies", helper_dies),
    case("D only these hosts", only_these),
    case("E13 no way out unless asked", no_way_out),
];

fn egress(script: &str) -> RunSpec {
    let mut job = spec(script);
    job.network = Network::Egress { hosts: vec![] };
    job.limits.wall = Duration::from_secs(30);
    job
}

/// A script that asks each address once.
fn ask(addresses: &[&str], port: u16) -> String {
    let list = addresses.join(" ");
    format!(
        "for a in {list}; do (exec 3<>/dev/tcp/$a/{port} && head -1 <&3) 2>/dev/null || echo \"no $a\"; done; "
    )
}

fn all_refused(addresses: &[&str]) -> String {
    addresses
        .iter()
        .map(|address| format!("no {address}\n"))
        .collect()
}

/// Whether this program, which is in no sandbox, is answered.
fn answers(address: &str, port: u16) -> bool {
    let Some(address) = (address, port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
    else {
        return false;
    };
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
        return false;
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).is_ok() && !text.is_empty()
}

/// Listens on every address of "the host".
fn listener() -> Result<u16, String> {
    let listener = TcpListener::bind("[::]:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop((&stream).write_all(b"CANARY\n"));
        }
    });
    Ok(port)
}

fn internet(world: &World) -> Tried {
    let script = format!(
        "{}getent hosts good.test; cat /etc/resolv.conf",
        ask(&[SITE, "good.test"], PORT)
    );
    let done = world.run(egress(&script))?;
    let expected = format!("OUTSIDE\nOUTSIDE\n{SITE}");
    expect(
        done.output.starts_with(&expected) && done.notices.iter().all(|n| !n.contains("network")),
        &done,
    )
}

fn host(world: &World) -> Tried {
    let port = listener()?;
    let mut all = vec!["10.0.2.2", "127.0.0.1", "::1", "0.0.0.0", "localhost"];
    all.extend(OURS);
    expect(
        OURS.iter().all(|address| answers(address, port)),
        &"the host doesn't answer itself",
    )?;
    let began = Instant::now();
    let done = world.run(egress(&ask(&all, port)))?;
    expect(
        done.output == all_refused(&all) && began.elapsed() < Duration::from_secs(10),
        &done,
    )
}

fn metadata(world: &World) -> Tried {
    let all = ["169.254.169.254", "fd00:ec2::254"];
    expect(answers(all[0], PORT), &"nobody plays the metadata service")?;
    let script = format!(
        "s=$(date +%s%N); {}e=$(date +%s%N); [ $((e - s)) -lt 1000000000 ] && echo SOON",
        ask(&all, PORT)
    );
    let done = world.run(egress(&script))?;
    expect(done.output == format!("{}SOON\n", all_refused(&all)), &done)
}

fn private(world: &World) -> Tried {
    let there = CLOSED
        .iter()
        .filter(|address| answers(address, PORT))
        .count();
    expect(there >= 6, &there)?;
    let mut all = CLOSED.to_vec();
    all.extend(["224.0.0.1", "255.255.255.255", "10.0.2.4", "10.0.2.3"]);
    let done = world.run(egress(&ask(&all, PORT)))?;
    expect(done.output == all_refused(&all), &done)
}

fn rebound(world: &World) -> Tried {
    let port = listener()?;
    let names = ["lan.test", "private.test", "loop.test"];
    let script = format!(
        "getent hosts private.test; {}{}",
        ask(&names, port),
        ask(&["private.test"], PORT)
    );
    let done = world.run(egress(&script))?;
    // The name may well mean it: the packet is refused.
    let expected = format!("{}no private.test\n", all_refused(&names));
    expect(
        done.output.starts_with("10.1.2.3") && done.output.ends_with(&expected),
        &done,
    )
}

fn six(world: &World) -> Tried {
    let port = listener()?;
    let there = CLOSED_6
        .iter()
        .filter(|address| answers(address, PORT))
        .count();
    expect(answers(SITE_6, PORT) && there >= 2, &there)?;
    let ours = ["::1", OURS[2], "::ffff:203.0.113.2", "::ffff:10.1.2.3"];
    let script = format!("{}{}", ask(&ours, port), ask(&CLOSED_6, PORT));
    let done = world.run(egress(&script))?;
    let expected = format!("{}{}", all_refused(&ours), all_refused(&CLOSED_6));
    expect(done.output == expected, &done)
}

fn another(world: &World) -> Tried {
    let listen = "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 5, LocalAddr => \"0.0.0.0\", LocalPort => 8000) or die $!; \
                  $SIG{ALRM} = sub { exit }; alarm 3; print \"UP\\n\"; while ($s = $l->accept) { print \"MET\\n\" }'";
    let asks = format!(
        "for i in 1 2 3 4; do {} sleep 0.3; done; true",
        ask(&["10.0.2.2", OURS[0], OURS[1]], 8000)
    );
    let launcher = &world.launcher;
    let (first, second) = world.runtime.block_on(async {
        tokio::join!(
            go(launcher, egress(listen), |_| Ok(())),
            go(launcher, egress(&asks), |_| Ok(())),
        )
    });
    let (first, second) = (
        first.map_err(|e| e.to_string())?,
        second.map_err(|e| e.to_string())?,
    );
    expect(
        first.output == "UP\n" && second.output.matches("no ").count() == 12,
        &(first, second),
    )
}

/// Runs a job and does something once it has printed its first line.
fn meanwhile<T>(
    world: &World,
    job: RunSpec,
    act: impl FnOnce() -> T,
) -> Result<(T, String, Outcome, Vec<String>), String> {
    world.runtime.block_on(async {
        let (mut run, tree) = Run::start(&world.launcher, job)
            .await
            .map_err(|e| e.to_string())?;
        drop(tokio::task::spawn_blocking(move || tree.finish()).await);
        let (mut act, mut result) = (Some(act), None);
        let (mut output, mut notices) = (Vec::new(), Vec::new());
        while let Some(event) = run.event().await {
            match event {
                RunEvent::Output(bytes) => {
                    output.extend(bytes);
                    if let Some(act) = act.take() {
                        result = Some(act());
                    }
                }
                RunEvent::Notice(line) => notices.push(line),
                RunEvent::Started => {}
            }
        }
        let (outcome, _) = run.finish().await.map_err(|e| e.to_string())?;
        let output = String::from_utf8_lossy(&output).replace("\r\n", "\n");
        let result = result.ok_or_else(|| format!("no output: {notices:?}"))?;
        Ok((result, output, outcome, notices))
    })
}

fn listens(world: &World) -> Tried {
    let script = "perl -MIO::Socket::INET -e '$| = 1; $l = IO::Socket::INET->new(Listen => 5, LocalAddr => \"0.0.0.0\", LocalPort => 8001) or die $!; \
                  $SIG{ALRM} = sub { exit }; alarm 2; print \"UP\\n\"; while ($s = $l->accept) { print \"MET\\n\" }'";
    let (met, output, ..) = meanwhile(world, egress(script), || {
        let all = ["127.0.0.1", "::1", "10.0.2.100"].into_iter().chain(OURS);
        all.filter(|address| {
            let address = (*address, 8001)
                .to_socket_addrs()
                .ok()
                .and_then(|mut all| all.next());
            address.is_some_and(|address| {
                TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
            })
        })
        .count()
    })?;
    expect(met == 0 && output == "UP\n", &(met, output))
}

fn loosen(world: &World) -> Tried {
    let script = format!(
        "exec 2>/dev/null; PATH=$PATH:/usr/sbin:/sbin; nft flush ruleset && echo BAD; nft delete table inet assay && echo BAD; \
         ip route add 10.0.0.0/8 dev net0 && echo BAD; ip link set net0 down && echo BAD; ip address add 10.9.9.9/8 dev net0 && echo BAD; \
         (echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet) && echo BAD; {}{}",
        ask(&["10.1.2.3", "169.254.169.254"], PORT),
        ask(&[SITE], PORT)
    );
    let done = world.run(egress(&script))?;
    expect(
        done.output == "no 10.1.2.3\nno 169.254.169.254\nOUTSIDE\n",
        &done,
    )
}

/// A socket bound to an interface ignores missing and closed routes; so the rules must not be routes.
fn around(world: &World) -> Tried {
    let perl = |address: &str| {
        format!(
            "perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, 25, \"net0\\0\") or print \"unbound \"; \
             print connect(S, pack_sockaddr_in({PORT}, inet_aton(\"{address}\"))) ? \"CONNECTED\\n\" : \"no\\n\"'; "
        )
    };
    let done = world.run(egress(
        &[
            perl("10.1.2.3"),
            perl("169.254.169.254"),
            perl(OURS[0]),
            perl(SITE),
        ]
        .concat(),
    ))?;
    expect(done.output == "no\nno\nno\nCONNECTED\n", &done)
}

fn raw(world: &World) -> Tried {
    let calls = [
        call(libc::SYS_socket, "2, 3, 1"),
        call(libc::SYS_socket, "2, 3, 255"),
        call(libc::SYS_socket, "17, 3, 0"),
        call(libc::SYS_socket, "16, 3, 12"),
    ]
    .concat();
    let done = world.run(egress(&calls))?;
    // Families are not permitted; protocols that are closed look absent.
    expect(
        done.output.lines().eq(["-1 1", "-1 93", "-1 1", "-1 93"]),
        &done,
    )
}

fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

/// Numbers of the helpers' processes in this test's network.
fn helpers() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        ["pasta", "passt", "slirp4netns"]
            .iter()
            .any(|begin| name(*pid).starts_with(begin))
    })
    .filter(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/net/fib_trie"))
            .is_ok_and(|trie| trie.contains("203.0.113.3"))
    })
    .collect()
}

fn caged(world: &World) -> Tried {
    let (seen, ..) = meanwhile(world, egress("echo up; sleep 0.5"), || {
        helpers()
            .iter()
            .map(|pid| {
                let status =
                    std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                // Either it sees none, or Landlock, which sets this, closes them.
                let caged = status.contains("NoNewPrivs:\t1") && name(*pid).starts_with("slirp");
                let files = !caged
                    && std::path::Path::new(&format!("/proc/{pid}/root/etc/passwd")).exists();
                let uid = status
                    .lines()
                    .find_map(|l| l.strip_prefix("Uid:\t"))
                    .and_then(|l| l.split('\t').next())
                    .map(str::to_owned);
                (status.contains("Seccomp:\t2"), files, uid)
            })
            .collect::<Vec<_>>()
    })?;
    expect(
        seen.len() == 1
            && seen
                .iter()
                .all(|(filtered, files, uid)| *filtered && !*files && uid.as_deref() != Some("0")),
        &seen,
    )?;
    // It died with its job.
    let left = helpers();
    expect(left.is_empty(), &left)
}

fn helper_dies(world: &World) -> Tried {
    let script = format!("echo up; sleep 0.7; {}echo on", ask(&[SITE], PORT));
    let (killed, output, outcome, notices) = meanwhile(world, egress(&script), || {
        let all = helpers();
        for pid in &all {
            if let Some(pid) = rustix::process::Pid::from_raw(*pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        all.len()
    })?;
    expect(
        killed == 1
            && outcome == Outcome::Exited(0)
            && output == format!("up\nno {SITE}\non\n")
            && notices
                .iter()
                .any(|line| line.contains("the network is gone")),
        &(killed, output, outcome, notices),
    )
}

fn only_these(world: &World) -> Tried {
    let script = format!(
        "{}{}{}wc -c </etc/resolv.conf; getent hosts lan.test || echo unknown",
        ask(&["good.test", SITE], PORT),
        ask(&["good.test"], 53),
        ask(&["203.0.113.1", "10.1.2.3", "172.16.5.5"], PORT)
    );
    let mut job = egress(&script);
    job.network = Network::Egress {
        hosts: ["good.test:8080", "private.test", "172.16.5.5"]
            .map(str::to_owned)
            .to_vec(),
    };
    let done = world.run(job)?;
    let expected =
        "OUTSIDE\nOUTSIDE\nno good.test\nno 203.0.113.1\nno 10.1.2.3\nOUTSIDE\n0\nunknown\n";
    let told = done
        .notices
        .iter()
        .any(|line| line.contains("private.test") && line.contains("private address"));
    expect(done.output == expected && told, &done)?;
    let mut wrong = egress("echo RAN");
    wrong.network = Network::Egress {
        hosts: vec!["a b".to_owned()],
    };
    let refused = world.run(wrong);
    expect(refused.is_err(), &refused)
}

fn no_way_out(world: &World) -> Tried {
    expect(answers(SITE, PORT), &"nobody is there")?;
    let done = world.job(&ask(&[SITE, SITE_6, "10.1.2.3", "good.test"], PORT))?;
    expect(
        done.output == all_refused(&[SITE, SITE_6, "10.1.2.3", "good.test"]),
        &done,
    )
}
