//! Section C: processes, memory, disk, time, output.

use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_sandbox::{Launcher, Outcome, Resource, Run, RunError, RunEvent, RunSpec, clean_up};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};

use crate::world::{
    Case, Done, Needs, Tried, World, be_daemon, case, expect, go, launcher, needing,
    processes_with, spec,
};

const fn grouped(name: &'static str, run: fn(&World) -> Tried) -> Case {
    needing(Needs::Groups, name, run)
}

pub(crate) const CASES: &[Case] = &[
    case("C1 fork bomb", fork_bomb),
    case("C2 memory bomb", memory_bomb),
    grouped("C3 many small processes", many_small),
    grouped("C4 went on after memory kill", went_on),
    case("C5 fill the RAM root", fill_root),
    case("C6 fill the inodes", fill_inodes),
    grouped("C7 memory outside the heap", other_memory),
    case("C8 log flood", log_flood),
    case("C9 endless line", endless_line),
    case("C11 faked status", faked_status),
    case("C12 daemonised survivor", survivor),
    case("C13 survivor holds the terminal", survivor_with_terminal),
    case("C14 ignores signals", ignores_signals),
    case("C15 zombies", zombies),
    case("C16 kill everything", kill_everything),
    case("C17 descriptors", descriptors),
    case("C19 wall and silence", wall_and_silence),
    case("C20 System V leftovers", sysv),
    Case {
        needs: Needs::Image,
        ..case("C20 System V without end", sysv_bombs)
    },
    case("C23 daemon killed", daemon_killed),
    case("cancel is polite first", cancel),
    case("output is whole to the last byte", whole_output),
    case("dropping a run kills it", dropped),
    case("required limits", required),
    Case {
        name: "what lives to the end counts",
        needs: Needs::Perl,
        run: used_to_the_end,
    },
    case("launchers kept warm", warm),
    case("slow reader loses nothing", slow_reader),
];

fn seconds(number: f64) -> Duration {
    Duration::from_secs_f64(number)
}

fn fork_bomb(world: &World) -> Tried {
    let mut bomb = spec("b() { b & b & }; b; sleep 100");
    bomb.limits.wall = seconds(2.0);
    let next = spec("echo fine");
    let (outcome, output, next) = world
        .runtime
        .block_on(beside(&world.launcher, bomb, "fork", next))
        .map_err(|error| error.to_string())?;
    let next = next.ok_or("the bomb never filled its room")?;
    expect(next.output == "fine\n", &next)?;
    expect(
        outcome == Outcome::Time,
        &(outcome, &output[..output.len().min(300)]),
    )?;
    // A command that fails because it may not fork says so.
    let mut held =
        spec("i=0; while [ $i -lt 200 ]; do sleep 50 & i=$((i+1)); done 2>/dev/null; exit 0");
    // A shell that gives up at once instead of trying again for a quarter of a minute.
    held.argv[0] = "sh".to_owned();
    held.limits.processes = 20;
    held.limits.wall = seconds(20.0);
    let held = world.run(held)?;
    let named = matches!(held.outcome, Outcome::Processes(_));
    expect(
        named == world.has_groups() && held.outcome != Outcome::Exited(0),
        &held,
    )
}

/// Runs one job, and the other one as soon as the first has shown a text.
async fn beside(
    launcher: &Launcher,
    first: RunSpec,
    text: &str,
    other: RunSpec,
) -> Result<(Outcome, String, Option<Done>), RunError> {
    let (mut run, tree) = Run::start(launcher, first).await?;
    drop(tokio::task::spawn_blocking(move || tree.finish()).await);
    let (mut output, mut other, mut done) = (String::new(), Some(other), None);
    while let Some(event) = run.event().await {
        if let RunEvent::Output(bytes) = event {
            output.push_str(&String::from_utf8_lossy(&bytes));
        }
        if let Some(spec) = other.take_if(|_| output.contains(text)) {
            done = Some(go(launcher, spec, |_| Ok(())).await?);
        }
    }
    let (outcome, _) = run.finish().await?;
    Ok((outcome, output, done))
}

/// A program that takes memory step by step, as a script.
fn hog(mib: u32) -> String {
    format!(
        "perl -e '$| = 1; for (1..{mib}) {{ push @a, \"x\" x (1 << 20) }} print \"HE\", \"LD\\n\"; sleep 30 if $ARGV[0]' "
    )
}

fn memory_bomb(world: &World) -> Tried {
    let mut bomb = spec(&format!("{}; exit 9", hog(400)));
    bomb.limits.memory = 128 << 20;
    let done = world.run(bomb)?;
    expect(!done.output.contains("HELD"), &done)?;
    let expected = if world.has_groups() {
        Outcome::Memory
    } else {
        Outcome::Exited(9)
    };
    expect(done.outcome == expected, &done)?;
    expect(world.has_groups() == done.notices.is_empty(), &done)?;
    let twin = world.job(&hog(100))?;
    expect(
        twin.output == "HELD\n" && twin.outcome == Outcome::Exited(0),
        &twin,
    )
}

fn many_small(world: &World) -> Tried {
    let mut bomb = spec(&format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do {} wait & done; sleep 20",
        hog(40)
    ));
    bomb.limits.memory = 128 << 20;
    let done = world.run(bomb)?;
    expect(
        done.outcome == Outcome::Memory && done.usage.memory_peak <= 128 << 20,
        &done,
    )
}

fn went_on(world: &World) -> Tried {
    let mut bomb = spec(&format!("{}; echo went on", hog(400)));
    bomb.limits.memory = 128 << 20;
    let done = world.run(bomb)?;
    expect(done.outcome == Outcome::Memory, &done)
}

fn fill_root(world: &World) -> Tried {
    let done = world.job("dd if=/dev/zero of=big bs=1M")?;
    expect(
        done.output.contains("No space left") && done.outcome == Outcome::Disk(1),
        &done,
    )?;
    let twin = world.job("dd if=/dev/zero of=big bs=1M count=40 2>/dev/null && stat -c %s big")?;
    expect(
        twin.output == "41943040\n" && twin.outcome == Outcome::Exited(0),
        &twin,
    )
}

fn fill_inodes(world: &World) -> Tried {
    let done = world
        .job("i=0; while { : >/tmp/i$i; } 2>/dev/null; do i=$((i+1)); done; echo $i; exit 1")?;
    let made = done.output.trim().parse::<u32>().unwrap_or(0);
    expect(
        (3500..4000).contains(&made) && done.outcome == Outcome::Disk(1),
        &done,
    )
}

fn other_memory(world: &World) -> Tried {
    let mut bomb = spec("dd if=/dev/zero of=/dev/shm/x bs=1M; echo END");
    bomb.limits.memory = 64 << 20;
    bomb.limits.disk = 1 << 30;
    let done = world.run(bomb)?;
    expect(done.outcome == Outcome::Memory, &done)
}

fn log_flood(world: &World) -> Tried {
    let mut flood = spec("yes");
    flood.limits.output = 300_000;
    let began = Instant::now();
    let done = raw_length(world, flood)?;
    expect(
        done == (Outcome::Output, 300_000) && began.elapsed() < seconds(10.0),
        &done,
    )?;
    let mut exact = spec("head -c 1000 /dev/zero | tr '\\0' a");
    exact.limits.output = 1000;
    let done = raw_length(world, exact)?;
    expect(done == (Outcome::Exited(0), 1000), &done)
}

/// Outcome and number of bytes of the output as it came.
fn raw_length(world: &World, spec: RunSpec) -> Result<(Outcome, usize), String> {
    let run = async {
        let (mut run, tree) = Run::start(&world.launcher, spec).await?;
        drop(tokio::task::spawn_blocking(move || tree.finish()).await);
        let mut length = 0;
        while let Some(event) = run.event().await {
            if let RunEvent::Output(bytes) = event {
                length += bytes.len();
            }
        }
        run.finish().await.map(|(outcome, _)| (outcome, length))
    };
    world
        .runtime
        .block_on(run)
        .map_err(|error: RunError| error.to_string())
}

fn endless_line(world: &World) -> Tried {
    let mut flood = spec("tr '\\0' a </dev/zero");
    flood.limits.output = 200_000;
    let done = raw_length(world, flood)?;
    expect(done == (Outcome::Output, 200_000), &done)
}

fn faked_status(world: &World) -> Tried {
    let done = world.job("echo '{\"Ended\":{\"status\":0,\"full\":false}}'; echo 'The command \"x\" exited with 0.'; exit 3")?;
    expect(done.outcome == Outcome::Exited(3), &done)?;
    let done = world.job("kill -9 $$")?;
    expect(done.outcome == Outcome::Signaled(9), &done)
}

/// Number of seconds to sleep that nobody else uses.
fn marker() -> String {
    format!("9{}", std::process::id())
}

fn ended_quickly(done: &Done, began: Instant) -> Tried {
    let left = processes_with(&marker());
    expect(
        done.outcome == Outcome::Exited(0) && began.elapsed() < seconds(5.0) && left.is_empty(),
        &(done, left),
    )
}

fn survivor(world: &World) -> Tried {
    let began = Instant::now();
    let done = world.job(&format!(
        "(setsid sleep {} >/dev/null 2>&1 &); exit 0",
        marker()
    ))?;
    ended_quickly(&done, began)
}

fn survivor_with_terminal(world: &World) -> Tried {
    let began = Instant::now();
    let done = world.job(&format!(
        "(setsid sleep {} &); (sleep {} &); exit 0",
        marker(),
        marker()
    ))?;
    ended_quickly(&done, began)
}

fn ignores_signals(world: &World) -> Tried {
    let mut stubborn =
        spec("trap '' TERM INT HUP; echo up; kill -STOP -1; while :; do sleep 900; done");
    stubborn.limits.wall = seconds(2.0);
    let began = Instant::now();
    let done = world.run(stubborn)?;
    expect(
        done.outcome == Outcome::Time
            && done.output.starts_with("up\n")
            && began.elapsed() < seconds(7.0),
        &done,
    )
}

fn zombies(world: &World) -> Tried {
    let script = "i=0; while [ $i -lt 200 ]; do (sleep 0 & exec sleep 0) & i=$((i+1)); done; wait; wait; exec 2>/dev/null; \
                  n=0; while [ $(ls -d /proc/[0-9]* | wc -l) -gt 5 ] && [ $n -lt 200 ]; do n=$((n+1)); done; ls -d /proc/[0-9]* | wc -l";
    let mut many = spec(script);
    many.limits.processes = 1000;
    let done = world.run(many)?;
    expect(
        done.output
            .trim()
            .parse::<u32>()
            .is_ok_and(|left| left <= 5),
        &done,
    )
}

fn kill_everything(world: &World) -> Tried {
    let done = world.job("kill -9 1; kill -9 -1; echo alive")?;
    expect(
        matches!(done.outcome, Outcome::Exited(0) | Outcome::Signaled(9)),
        &done,
    )
}

fn descriptors(world: &World) -> Tried {
    let before = std::fs::read_dir("/proc/self/fd")
        .map_err(|e| e.to_string())?
        .count();
    let done = world.job("ulimit -n 300; perl -e '$i = 0; while (open($f[$i], \"<\", \"/dev/null\")) { $i++ } print \"$i\\n\"'")?;
    let after = std::fs::read_dir("/proc/self/fd")
        .map_err(|e| e.to_string())?
        .count();
    let opened = done.output.trim().parse::<u32>().unwrap_or(0);
    expect((250..300).contains(&opened) && after <= before + 2, &done)
}

fn wall_and_silence(world: &World) -> Tried {
    let mut silent = spec("trap 'echo bye; exit 1' TERM; echo start; while :; do sleep 0.05; done");
    silent.limits.silence = seconds(0.5);
    let done = world.run(silent)?;
    expect(
        done.outcome == Outcome::Silence
            && done.output.starts_with("start\n")
            && done.output.ends_with("bye\n"),
        &done,
    )?;
    let mut busy = spec("while :; do echo x; sleep 0.1; done");
    (busy.limits.silence, busy.limits.wall) = (seconds(0.8), seconds(1.5));
    let done = world.run(busy)?;
    expect(done.outcome == Outcome::Time, &done)?;
    // Nobody feeds the tree: set-up is limited too.
    let mut waiting = spec("echo RAN");
    waiting.limits.wall = seconds(0.5);
    let outcome = world.runtime.block_on(async {
        let (run, tree) = Run::start(&world.launcher, waiting).await?;
        let end = run.finish().await;
        drop(tree);
        end
    });
    expect(matches!(outcome, Ok((Outcome::Time, _))), &outcome)
}

/// Semaphores, queues and shared memory are not in any file system, and only a control group would count them. A view of
/// the host has no uid 0 inside, who alone may lower these bounds.
fn sysv_bombs(world: &World) -> Tried {
    if !world.ranged || !std::path::Path::new("/usr/bin/perl").exists() {
        return Ok(());
    }
    let script = "perl -e '$n++ while $n < 500 && syscall(64, 0, 250, 01600) != -1; print \"sets $n\\n\"; \
                  $q++ while $q < 500 && syscall(68, 0, 01600) != -1; print \"queues $q\\n\"; \
                  $s++ while $s < 500 && syscall(29, 0, 64 << 20, 01600) != -1; print \"segments $s\\n\"'";
    let done = world.job(script)?;
    // Twin: there are some, as many as the usual programs want.
    expect(done.output == "sets 128\nqueues 128\nsegments 8\n", &done)
}

fn sysv(world: &World) -> Tried {
    let first = world.job("ipcmk -M 1000000 >/dev/null && ipcs -m | grep -c 1000000")?;
    expect(first.output == "1\n", &first)?;
    let second = world.job("ipcs -m | grep -c 1000000")?;
    expect(second.output == "0\n", &second)
}

/// The part of C23 that is to be killed: a daemon with one job. Prints a line when the job runs.
pub(crate) fn daemon(marker: &str) -> ExitCode {
    // Up when all are there.
    let mut job = spec(&format!(
        "mkfifo there; exec 3<>there; (setsid sh -c 'echo >&3; exec sleep {marker}' &); \
         (trap '' TERM HUP; echo >&3; sleep {marker}) & read -ru 3; read -ru 3; echo up; wait"
    ));
    job.id = format!("dead-{marker}");
    be_daemon(&["launch", marker], job)
}

fn daemon_killed(world: &World) -> Tried {
    use std::io::BufRead;
    let mark = format!("8{}", std::process::id());
    let child = Command::new("/proc/self/exe")
        .args(["daemon", &mark])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        std::io::BufReader::new(output)
            .read_line(&mut line)
            .map_err(|e| e.to_string())?;
    }
    let daemon = child.id();
    let alive: Vec<_> = processes_with(&mark)
        .into_iter()
        .filter(|pid| pid.as_raw_pid().cast_unsigned() != daemon)
        .collect();
    let watched = watch(&alive);
    child
        .kill()
        .and_then(|()| child.wait())
        .map_err(|e| e.to_string())?;
    expect(line == "up\n" && alive.len() >= 4, &(line, alive))?;
    wait_for_end(&watched)?;
    let left = processes_with(&mark);
    expect(left.is_empty(), &left)?;
    clean_up("dead-");
    let groups = leftover_groups(&format!("assay-dead-{mark}"));
    expect(groups.is_empty(), &groups)?;
    expect(!world.who.is_empty(), &"world")
}

fn watch(pids: &[Pid]) -> Vec<OwnedFd> {
    pids.iter()
        .filter_map(|pid| rustix::process::pidfd_open(*pid, PidfdFlags::empty()).ok())
        .collect()
}

fn wait_for_end(processes: &[OwnedFd]) -> Tried {
    for process in processes {
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let ready = rustix::event::poll(&mut fds, Some(&timeout)).map_err(|e| e.to_string())?;
        expect(ready == 1, &"a process is still alive")?;
    }
    Ok(())
}

/// Control groups whose names begin like this, anywhere.
fn leftover_groups(name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(std::path::PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        {
            if entry.file_name().to_string_lossy().starts_with(name) {
                found.push(entry.path());
            } else if depth < 4 {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

fn cancel(world: &World) -> Tried {
    let script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let (outcome, output) = world
        .runtime
        .block_on(async {
            let (mut run, tree) = Run::start(&world.launcher, spec(script)).await?;
            drop(tokio::task::spawn_blocking(move || tree.finish()).await);
            let canceler = run.canceler();
            let mut output = Vec::new();
            while let Some(event) = run.event().await {
                if let RunEvent::Output(bytes) = event {
                    output.extend(bytes);
                    canceler.cancel();
                    canceler.cancel();
                }
            }
            let (outcome, _) = run.finish().await?;
            Ok((
                outcome,
                String::from_utf8_lossy(&output).replace("\r\n", "\n"),
            ))
        })
        .map_err(|error: RunError| error.to_string())?;
    expect(
        outcome == Outcome::Canceled && output.ends_with("asked\n"),
        &(outcome, output),
    )?;
    // Before the command runs there is nobody to ask.
    let early = world.runtime.block_on(async {
        let (run, tree) = Run::start(&world.launcher, spec("echo RAN")).await?;
        run.canceler().cancel();
        let end = run.finish().await;
        drop(tree);
        end
    });
    expect(matches!(early, Ok((Outcome::Canceled, _))), &early)
}

fn whole_output(world: &World) -> Tried {
    for script in [
        "seq 1 60000; echo LAST",
        // The main process ends while others hold the terminal open.
        "(setsid sleep 77 &); (sleep 77 &); seq 1 60000; echo LAST",
        "trap '' HUP; seq 1 60000; echo LAST; kill -9 $$",
    ] {
        let mut long = spec(script);
        long.limits.output = 10 << 20;
        let done = world.run(long)?;
        let lines = done.output.lines().count();
        expect(
            lines == 60001 && done.output.ends_with("60000\nLAST\n"),
            &(done.outcome, lines),
        )?;
    }
    Ok(())
}

fn dropped(world: &World) -> Tried {
    let mark = format!("7{}", std::process::id());
    let watched = world
        .runtime
        .block_on(async {
            let job = spec(&format!(
                "echo up; trap '' TERM; sleep {mark}; sleep {mark}"
            ));
            let (mut run, tree) = Run::start(&launcher(&["launch", &mark]), job).await?;
            drop(tokio::task::spawn_blocking(move || tree.finish()).await);
            while let Some(event) = run.event().await {
                if matches!(event, RunEvent::Output(_)) {
                    break;
                }
            }
            Ok(watch(&processes_with(&mark)))
        })
        .map_err(|error: RunError| error.to_string())?;
    expect(watched.len() >= 2, &watched)?;
    wait_for_end(&watched)
}

fn required(world: &World) -> Tried {
    let mut with = spec("echo RAN");
    with.require = vec![Resource::Memory, Resource::Processes];
    if !world.has_groups() {
        let refused = world.run_with(with, |_| Ok(()));
        return expect(
            matches!(
                refused,
                Err(RunError::Required {
                    resource: Resource::Memory,
                    ..
                })
            ),
            &refused,
        );
    }
    let done = world.run(with)?;
    expect(done.output == "RAN\n" && done.usage.memory_peak > 0, &done)
}

fn used_to_the_end(world: &World) -> Tried {
    let busy = "perl -e '$| = 1; 1 while (times)[0] < 0.3; print \"USED\\n\"; sleep 600'";
    let done = world.job(&format!("read -r used < <(exec {busy}); echo $used"))?;
    expect(done.output == "USED\n" && done.usage.cpu_ms >= 300, &done)
}

fn warm(world: &World) -> Tried {
    let prefix = format!("warm-{}-", std::process::id());
    let marked = launcher(&["launch", &prefix]);
    let is_wanted = Arc::new(AtomicBool::new(true));
    let wanted = Arc::clone(&is_wanted);
    let usual = move || wanted.load(Ordering::Relaxed).then(|| spec(""));
    let stock = assay_sandbox::keep_warm(&marked, &prefix, 1, usual);
    for round in 0..3 {
        let mut bomb = spec(&format!("{}; exit 9", hog(400)));
        bomb.limits.memory = 128 << 20;
        let done = world.runtime.block_on(go(&marked, bomb, |_| Ok(())));
        let done = done.map_err(|e| e.to_string())?;
        let held = if world.has_groups() {
            done.outcome == Outcome::Memory
        } else {
            done.outcome == Outcome::Exited(9)
        };
        expect(held, &(round, done))?;
    }
    // Those are gone, and one more jail is waiting: its launcher and its first process.
    let waiting = processes_with(&prefix);
    expect(waiting.len() == 2, &waiting)?;
    // One that was killed while it waited is passed over.
    let watched = watch(&waiting);
    for pid in &waiting {
        let _ = rustix::process::kill_process(*pid, rustix::process::Signal::KILL);
    }
    wait_for_end(&watched)?;
    let done = world
        .runtime
        .block_on(go(&marked, spec("echo fine"), |_| Ok(())));
    expect(
        done.as_ref().is_ok_and(|done| done.output == "fine\n"),
        &done,
    )?;
    // Those that nobody would want any more go with the jobs that start then.
    is_wanted.store(false, Ordering::Relaxed);
    let are_gone = (0..20).any(|_| {
        drop(world.job("sleep 0.1"));
        processes_with(&prefix).is_empty()
    });
    expect(are_gone, &processes_with(&prefix))?;
    drop(stock);
    let left = (
        processes_with(&prefix),
        leftover_groups(&format!("assay-{prefix}")),
    );
    expect(left.0.is_empty() && left.1.is_empty(), &left)
}

fn slow_reader(world: &World) -> Tried {
    let mut chatty = spec("seq 1 200000; echo LAST");
    chatty.limits.output = 10 << 20;
    chatty.limits.silence = seconds(0.3);
    let length = world
        .runtime
        .block_on(async {
            let (mut run, tree) = Run::start(&world.launcher, chatty).await?;
            drop(tokio::task::spawn_blocking(move || tree.finish()).await);
            let (mut bytes, mut waits) = (0, 0);
            while let Some(event) = run.event().await {
                if let RunEvent::Output(chunk) = event {
                    bytes += chunk.len();
                    // Longer than the job may be silent: it isn't, it is kept waiting.
                    if waits < 3 {
                        tokio::time::sleep(seconds(0.5)).await;
                        waits += 1;
                    }
                }
            }
            run.finish().await.map(|(outcome, _)| (outcome, bytes))
        })
        .map_err(|error: RunError| error.to_string())?;
    // Numbers, their line ends of two bytes, and the last line.
    expect(
        length == (Outcome::Exited(0), 1_088_895 + 2 * 200_000 + 6),
        &length,
    )
}
