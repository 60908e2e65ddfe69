//! Rows G1 to G10 of the attack table, and the limits that every run has.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use assay_sandbox::{Fixed, Outcome, Run, RunEvent};

use crate::programs;
use crate::world::{Case, Done, Tried, World, expect, go};

pub(crate) const CASES: &[Case] = &[
    (
        "programs run: code, streams, variables, pipelines",
        programs_run,
    ),
    ("G1 endless loop", endless),
    ("G1 cancel", cancel),
    ("G2 memory and tables grow", growth),
    ("G2 memory of all programs together", shared_memory),
    ("G3 paths that climb", climbing),
    ("G4 log flood", flood),
    ("G4 silence", silence),
    ("G5 sockets", sockets),
    ("G6 large and hostile programs", hostile),
    ("G7 native images of the job's", native_image),
    ("G8 clock and randomness", fixed),
    ("G9 waiting in the host", waiting),
    ("G10 recursion and traps", traps),
    ("C5 the folder is full", full),
    ("C6 files without end", many_files),
    ("C23 the daemon is killed", daemon_killed),
];

fn ended(done: &Done, code: i32) -> Tried {
    expect(done.outcome == Outcome::Exited(code), done)
}

fn programs_run(world: &World) -> Tried {
    let done = world.run(&["./exit.wasm"], vec![("exit.wasm", programs::exit(7))])?;
    ended(&done, 7)?;
    let lines = [
        "A=one; echo $A two > f; ./cat.wasm < f | ./cat.wasm",
        "hello",
        "./exit.wasm || echo \"code $?\"",
        "./exit.wasm && echo never; echo $(hello)-$PWD",
        "mkdir -p d/e && cd d/e && pwd",
    ];
    let done = world.run(&lines, vec![("exit.wasm", programs::exit(3))])?;
    let home = "/home/travis/build/o/r";
    let output = format!("one two\nhello\ncode 3\nhello-{home}\n{home}/d/e\n");
    expect(done.output == output, &done)?;
    ended(&done, 0)
}

fn endless(world: &World) -> Tried {
    let mut spec = world.spec(&["./endless.wasm", "echo never"]);
    spec.limits.wall = Duration::from_secs(2);
    let tree = vec![("endless.wasm", programs::endless())];
    let done = world.run_spec(spec, tree)?;
    // By the word to stop, not by the kill: the grace is not used up, and the log says so.
    expect(
        done.outcome == Outcome::Time && done.output.contains("interrupted"),
        &done,
    )?;
    expect(
        !done.output.contains("never") && done.took < Duration::from_secs(10),
        &done,
    )?;
    ended(&world.run(&["sleep 0.1 && ./hello.wasm"], vec![])?, 0)
}

fn cancel(world: &World) -> Tried {
    let spec = world.spec(&["sleep 100"]);
    let after = Some(Duration::from_millis(100));
    let done = world
        .runtime
        .block_on(go(&world.launcher, spec, vec![], after));
    let done = done.map_err(|error| error.to_string())?;
    expect(
        done.outcome == Outcome::Canceled && done.took < Duration::from_secs(10),
        &done,
    )
}

fn growth(world: &World) -> Tried {
    let tree = || {
        vec![
            ("memory.wasm", programs::memory()),
            ("table.wasm", programs::table()),
        ]
    };
    // Held at the limit of 64 MiB; a million entries of a table.
    ended(&world.run(&["./memory.wasm"], tree())?, 64)?;
    ended(&world.run(&["./table.wasm"], tree())?, 15)?;
    let mut more = world.spec(&["./memory.wasm"]);
    more.limits.memory = 100 << 20;
    ended(&world.run_spec(more, tree())?, 100)
}

fn shared_memory(world: &World) -> Tried {
    // Three in a pipeline have as much together as one alone has; afterwards one has all of it again.
    let tree = vec![("memory.wasm", programs::memory())];
    let line = "./memory.wasm | ./memory.wasm | ./memory.wasm; ./memory.wasm";
    ended(&world.run(&[line], tree)?, 64)
}

fn climbing(world: &World) -> Tried {
    let not_there = |code: i32| code != 0;
    for path in [
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "out/etc/passwd",
        "up/etc/passwd",
        "here/passwd",
    ] {
        let tree = vec![
            ("open.wasm", programs::open(3, path, false)),
            (
                "link.wasm",
                programs::link("../../../../../../../etc", "here"),
            ),
        ];
        let done = world.run(&["./link.wasm; ./open.wasm"], tree)?;
        expect(
            matches!(done.outcome, Outcome::Exited(code) if not_there(code)),
            &(path, &done),
        )?;
    }
    let canary = world.canary();
    let wanted = format!("out{canary}");
    let tree = vec![("open.wasm", programs::open(3, &wanted, true))];
    let done = world.run(&["./open.wasm"], tree)?;
    expect(
        matches!(done.outcome, Outcome::Exited(code) if not_there(code)),
        &done,
    )?;
    // Other folders than these two were not handed in.
    for fd in [0, 1, 2, 5, 6, 7] {
        let tree = vec![("open.wasm", programs::open(fd, "etc/passwd", false))];
        let done = world.run(&["./open.wasm"], tree)?;
        expect(
            matches!(done.outcome, Outcome::Exited(code) if not_there(code)),
            &(fd, &done),
        )?;
    }
    // The twins: a file of the work tree by both folders, and a new one.
    for (fd, path, create) in [
        (3, "hello.wasm", false),
        (4, "build/o/r/hello.wasm", false),
        (3, "new", true),
    ] {
        let tree = vec![("open.wasm", programs::open(fd, path, create))];
        ended(&world.run(&["./open.wasm"], tree)?, 0)?;
    }
    Ok(())
}

fn flood(world: &World) -> Tried {
    let done = world.run(&["./flood.wasm"], vec![("flood.wasm", programs::flood())])?;
    expect(
        done.outcome == Outcome::Output && done.output.len() == 1 << 20,
        &done.outcome,
    )?;
    // Into a command line: cut as well.
    let done = world.run(
        &["echo $(./flood.wasm)"],
        vec![("flood.wasm", programs::flood())],
    )?;
    expect(
        done.outcome == Outcome::Exited(1) && done.output.contains("1 MiB"),
        &done,
    )
}

fn silence(world: &World) -> Tried {
    let mut spec = world.spec(&["./wait.wasm"]);
    spec.limits.silence = Duration::from_secs(1);
    let done = world.run_spec(spec, vec![("wait.wasm", programs::wait(100))])?;
    expect(done.outcome == Outcome::Silence, &done)
}

fn sockets(world: &World) -> Tried {
    let tree = vec![("socket.wasm", programs::socket())];
    ended(&world.run(&["./socket.wasm"], tree)?, 0)?;
    // The twin: components run, and their failure shows.
    for code in [0, 1] {
        let tree = vec![("quiet.wasm", programs::quiet_component(code))];
        ended(&world.run(&["./quiet.wasm"], tree)?, code)?;
    }
    Ok(())
}

fn hostile(world: &World) -> Tried {
    let mut large = programs::hello();
    large.resize(33 << 20, 0);
    let mut spec = world.spec(&["./large.wasm"]);
    (spec.limits.disk, spec.limits.memory) = (64 << 20, 256 << 20);
    let done = world.run_spec(spec, vec![("large.wasm", large)])?;
    expect(
        done.outcome == Outcome::Exited(126) && done.output.contains("larger than"),
        &done,
    )?;
    let mut spec = world.spec(&["./many.wasm"]);
    (spec.compile, spec.limits.memory) = (Duration::from_millis(100), 256 << 20);
    let done = world.run_spec(spec, vec![("many.wasm", programs::functions(1500))])?;
    expect(
        done.outcome == Outcome::Exited(126) && done.output.contains("takes longer"),
        &done,
    )?;
    for bytes in [
        programs::nested(1_000_000),
        b"\0asm\x01\0\0\0\xff\xff\xff".to_vec(),
        b"#!/bin/sh\n".to_vec(),
        vec![],
    ] {
        let mut spec = world.spec(&["./bad.wasm"]);
        spec.compile = Duration::from_secs(2);
        let done = world.run_spec(spec, vec![("bad.wasm", bytes)])?;
        // The compiler's memory is the run's.
        let told = done.outcome == Outcome::Exited(126) && done.output.contains("bad.wasm: ");
        expect(told || done.outcome == Outcome::Memory, &done)?;
    }
    // The twin: a few functions, a little nesting.
    ended(
        &world.run(&["./few.wasm"], vec![("few.wasm", programs::functions(10))])?,
        0,
    )?;
    ended(
        &world.run(&["./flat.wasm"], vec![("flat.wasm", programs::nested(10))])?,
        0,
    )
}

/// All native images that are kept.
fn images(world: &World) -> Result<Vec<std::path::PathBuf>, String> {
    let mut found = Vec::new();
    let text = |error: std::io::Error| error.to_string();
    for version in std::fs::read_dir(world.folder.path().join("modules")).map_err(text)? {
        let folder = version.map_err(text)?.path();
        found.extend(
            std::fs::read_dir(folder)
                .map_err(text)?
                .flatten()
                .map(|entry| entry.path()),
        );
    }
    Ok(found)
}

fn native_image(world: &World) -> Tried {
    world.ordinary()?;
    let text = |error: std::io::Error| error.to_string();
    for image in images(world)? {
        let kept = std::fs::read(&image).map_err(text)?;
        let native = kept.get(32..).unwrap_or_default().to_vec();
        expect(native.starts_with(b"\x7fELF"), &image)?;
        let tree = vec![("evil.wasm", native.clone()), ("evil.cwasm", native)];
        let done = world.run(&["./evil.wasm; ./evil.cwasm"], tree)?;
        expect(
            done.outcome == Outcome::Exited(126) && done.output.contains("not a WASI program"),
            &done,
        )?;
        // One that was changed on the way is not taken either, but made again.
        let mut broken = kept.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 1;
        std::fs::write(&image, broken).map_err(text)?;
        world.ordinary()?;
    }
    // The twin: what was compiled once is not compiled again; a limit that no compiler keeps shows it.
    let mut spec = world.spec(&["./hello.wasm"]);
    spec.compile = Duration::ZERO;
    ended(&world.run_spec(spec, vec![])?, 0)?;
    let mut spec = world.spec(&["./new.wasm"]);
    spec.compile = Duration::ZERO;
    let done = world.run_spec(spec, vec![("new.wasm", programs::exit(91))])?;
    ended(&done, 126)
}

fn fixed(world: &World) -> Tried {
    let tree = || {
        vec![
            ("clock.wasm", programs::clock(1_000_000_000)),
            ("random.wasm", programs::random()),
        ]
    };
    let lines = ["./random.wasm; ./clock.wasm"];
    let once = |seed| {
        let mut spec = world.spec(&lines);
        spec.fixed = Some(Fixed {
            seconds: 1_000_000_000,
            seed,
        });
        world.run_spec(spec, tree())
    };
    let (first, second, other) = (once(5)?, once(5)?, once(6)?);
    ended(&first, 0)?;
    expect(
        first.output == second.output && first.output != other.output,
        &(&first, &second),
    )?;
    let (first, second) = (world.run(&lines, tree())?, world.run(&lines, tree())?);
    ended(&first, 1)?;
    expect(first.output != second.output, &first)
}

fn waiting(world: &World) -> Tried {
    let mut spec = world.spec(&["./wait.wasm"]);
    spec.limits.wall = Duration::from_secs(1);
    let done = world.run_spec(spec, vec![("wait.wasm", programs::wait(3600))])?;
    expect(
        done.outcome == Outcome::Time && done.took < Duration::from_secs(10),
        &done,
    )?;
    ended(
        &world.run(&["./wait.wasm"], vec![("wait.wasm", programs::wait(1))])?,
        0,
    )
}

fn traps(world: &World) -> Tried {
    let done = world.run(&["./deep.wasm"], vec![("deep.wasm", programs::recursion())])?;
    expect(
        done.outcome == Outcome::Exited(134) && done.output.contains("call stack exhausted"),
        &done,
    )?;
    let storm = "./trap.wasm; ".repeat(100);
    let done = world.run(
        &[&storm, "./hello.wasm"],
        vec![("trap.wasm", programs::trap())],
    )?;
    expect(
        done.output.matches("unreachable").count() >= 100,
        &done.output.len(),
    )?;
    expect(done.output.ends_with("hello\n"), &done)?;
    ended(&done, 0)
}

fn full(world: &World) -> Tried {
    let tree = vec![("flood.wasm", programs::flood())];
    let mut spec = world.spec(&["./flood.wasm > a; ./flood.wasm > b; ./flood.wasm > c; sleep 5"]);
    // Files are memory too: three of them at their largest must not be too much of that.
    spec.limits.memory = 8 * spec.limits.disk;
    let done = world.run_spec(spec, tree)?;
    expect(
        matches!(done.outcome, Outcome::Disk(_)) && done.usage.cpu_ms < 60_000,
        &done,
    )
}

fn many_files(world: &World) -> Tried {
    let ten = "{0,1,2,3,4,5,6,7,8,9}";
    let line = format!("touch {ten}{ten}{ten}{ten}; sleep 5; echo never");
    let done = world.run(&[&line], vec![])?;
    expect(
        matches!(done.outcome, Outcome::Disk(_)) && !done.output.contains("never"),
        &done,
    )?;
    ended(
        &world.run(&[&format!("touch {ten}{ten} && test -f 99")], vec![])?,
        0,
    )
}

/// Stands for a daemon: starts a run, says so, and waits for its end.
pub(crate) fn daemon() -> ExitCode {
    let Ok(world) = World::new() else {
        return ExitCode::FAILURE;
    };
    let waited = world.runtime.block_on(async {
        let (mut run, tree) = Run::start_wasm(&world.launcher, world.spec(&["sleep 100"])).await?;
        drop(tokio::task::spawn_blocking(|| tree.finish()).await);
        while let Some(event) = run.event().await {
            if event == RunEvent::Started {
                println!("started");
            }
        }
        run.finish().await
    });
    ExitCode::from(u8::from(waited.is_err()))
}

fn daemon_killed(_: &World) -> Tried {
    let text = |error: std::io::Error| error.to_string();
    let mut child = Command::new("/proc/self/exe")
        .arg("daemon")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line).map_err(text)?;
    }
    let folder = format!("/dev/shm/assay-cell-test-{}-0", child.id());
    let was_there = std::fs::metadata(&folder).is_ok();
    child.kill().map_err(text)?;
    child.wait().map_err(text)?;
    expect(line == "started\n" && was_there, &(line, was_there))?;
    let begun = Instant::now();
    while std::fs::metadata(&folder).is_ok() {
        expect(
            begun.elapsed() < Duration::from_secs(10),
            &"the folder is still there",
        )?;
        std::thread::yield_now();
    }
    Ok(())
}
