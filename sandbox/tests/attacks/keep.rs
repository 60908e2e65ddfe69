//! Section A, second part: what is kept of a run, and restored into the next one.

use std::io::Read as _;
use std::time::{Duration, Instant};

use assay_sandbox::{Keep, Kept, KeptItem, Outcome, Run, RunSpec, TreeWriter};

use crate::world::{Case, Tried, World, case, expect, spec};

pub(crate) const CASES: &[Case] = &[
    case("A19 restored names that climb", climbing_names),
    case("A21 modes of what is kept", modes),
    case("A22 collector follows a link", links),
    case("A23 collector blocked", fifo),
    case("A24 size bombs", bombs),
    case("A26 odd names", odd_names),
    case("C21 what is kept fills the disk", quota),
    case("a process that outlives the command", late_writer),
    case("only after the codes that were named", codes),
];

const WORK: &str = "/home/travis/build/o/r";

/// Runs a script that leaves `out`; what is kept, a line each, and how the run ended.
fn keep(
    world: &World,
    change: impl FnOnce(&mut RunSpec),
) -> Result<(Outcome, Vec<String>), String> {
    let mut spec = spec("true");
    spec.keep = vec![Keep {
        paths: vec![format!("{WORK}/out")],
        bytes: 16 << 20,
        files: 1000,
        time: Duration::from_secs(20),
        codes: vec![0],
    }];
    change(&mut spec);
    let going = async {
        let (mut run, tree) = Run::start(&world.launcher, spec).await.map_err(text)?;
        let kept = run.kept().ok_or("no pipe")?;
        let reading = tokio::task::spawn_blocking(move || lines(kept));
        tree.finish().map_err(text)?;
        while run.event().await.is_some() {}
        let (outcome, _) = run.finish().await.map_err(text)?;
        Ok((outcome, reading.await.map_err(text)??))
    };
    world.runtime.block_on(going)
}

fn script(world: &World, script: &str) -> Result<(Outcome, Vec<String>), String> {
    keep(world, |spec| spec.argv[2] = script.to_owned())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn lines(mut kept: Kept) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    while let Some(item) = kept.next_item().map_err(text)? {
        let short = |path: &[u8]| {
            let rest = path.strip_prefix(WORK.as_bytes()).unwrap_or(path);
            rest.escape_ascii().to_string()
        };
        lines.push(match item {
            KeptItem::Group(_) | KeptItem::Time(_) => continue,
            KeptItem::File {
                path,
                executable,
                mut content,
                ..
            } => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).map_err(text)?;
                let kind = if executable { "program" } else { "file" };
                bytes.truncate(20);
                format!("{kind} {} {}", short(path), bytes.escape_ascii())
            }
            KeptItem::Link { path, target } => {
                format!("link {} {}", short(path), target.escape_ascii())
            }
            KeptItem::Folder { path } => format!("folder {}", short(path)),
            KeptItem::Skipped { path, why } => format!("skipped {} {why}", short(path)),
            KeptItem::Refused(why) => format!("refused {why}"),
            KeptItem::End => "end".to_owned(),
        });
    }
    Ok(lines)
}

fn links(world: &World) -> Tried {
    let attack = format!(
        "mkdir out; ln -s /proc/1/environ out/e; ln -s {} out/f; ln -s /proc/self/root out/g; echo mine > out/h",
        world.canary()
    );
    let seen = script(world, &attack)?;
    let held = !seen.1.iter().any(|line| line.contains("CANARY"));
    let links = seen
        .1
        .iter()
        .filter(|line| line.starts_with("link"))
        .count();
    // Twin: an ordinary file comes.
    let own = seen.1.iter().any(|line| line == "file /out/h mine\\n");
    expect(held && links == 3 && own, &seen)?;
    // The folder itself is a link.
    let seen = script(world, "ln -s /etc out")?;
    expect(seen.1 == ["link /out /etc", "end"], &seen)?;
    // One above it is.
    let seen = keep(world, |spec| {
        spec.argv[2] = "rm -rf x; ln -s /etc x".to_owned();
        spec.keep[0].paths = vec![format!("{WORK}/x/passwd")];
    })?;
    expect(!seen.1.iter().any(|line| line.starts_with("file")), &seen)
}

fn fifo(world: &World) -> Tried {
    let began = Instant::now();
    let seen = script(world, "mkdir out; mkfifo out/p; echo x > out/x")?;
    let told = "skipped /out/p it is neither a file, a folder nor a link";
    expect(
        seen.1.iter().any(|line| line == told)
            && seen.1.iter().any(|line| line.starts_with("file /out/x"))
            && began.elapsed() < Duration::from_secs(15),
        &seen,
    )
}

fn bombs(world: &World) -> Tried {
    let seen = script(world, "mkdir out; truncate -s 1T out/big")?;
    let refused = |why: &str| ["folder /out".to_owned(), format!("refused {why}")];
    expect(seen.1 == refused("there are too many bytes"), &seen)?;
    let seen = script(world, "mkdir out; cd out; touch $(seq 2000)")?;
    expect(seen.1 == refused("there are too many files"), &seen)?;
    let deep = "mkdir out; cd out; i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i+1)); done";
    let seen = script(world, deep)?;
    expect(seen.1.len() == 302 && seen.1[301] == "end", &seen)
}

/// A cache is no mount that can be written: it is a folder in RAM, bounded twice, by the job's disk and by what is kept.
fn quota(world: &World) -> Tried {
    let fill = "mkdir out; dd if=/dev/zero of=out/big bs=1M 2>&1 | grep -o 'No space left'; true";
    let mut with = spec(fill);
    with.limits.disk = 24 << 20;
    let done = world.run(with)?;
    expect(done.output == "No space left\n", &done)?;
    let seen = keep(world, |spec| {
        spec.limits.disk = 24 << 20;
        spec.argv[2] = fill.to_owned();
    })?;
    expect(
        seen.1 == ["folder /out", "refused there are too many bytes"],
        &seen,
    )?;
    // Twin: another job's is kept as ever, and so is what just fits.
    let seen = script(world, "mkdir out; echo mine >out/f")?;
    expect(
        seen.1 == ["folder /out", "file /out/f mine\\n", "end"],
        &seen,
    )?;
    let seen = script(world, "mkdir out; head -c 16777216 /dev/zero >out/f")?;
    expect(seen.1.last().is_some_and(|line| line == "end"), &seen)
}

fn odd_names(world: &World) -> Tried {
    let seen = script(world, "mkdir out; : > \"out/$(printf 'a\\nb\\033[2J')\"")?;
    expect(
        seen.1 == ["folder /out", "file /out/a\\nb\\x1b[2J ", "end"],
        &seen,
    )
}

fn modes(world: &World) -> Tried {
    let seen = script(world, "mkdir out; echo x > out/s; chmod 6755 out/s")?;
    expect(
        seen.1 == ["folder /out", "program /out/s x\\n", "end"],
        &seen,
    )?;
    let restored = spec("stat -c %a out/s; echo $?");
    let path = format!("{WORK}/out/s");
    let done = world
        .run_with(restored, move |tree: &mut TreeWriter| {
            tree.restore()?;
            tree.file(path.as_bytes(), true, b"x\n")
        })
        .map_err(text)?;
    expect(done.output == "755\n0\n", &done)
}

fn climbing_names(world: &World) -> Tried {
    let names = [
        "../../../../../x",
        "/x",
        "/etc/x",
        "a/../../../../../../x",
        "/home/travis/../x",
    ];
    let after = spec("ls -d /x /etc/x /home/x /home/travis/x 2>/dev/null; cat good; cat theirs");
    let done = world
        .run_with(after, move |tree: &mut TreeWriter| {
            tree.file(b"theirs", false, b"source\n")?;
            tree.restore()?;
            for name in names {
                tree.file(name.as_bytes(), false, b"bad")?;
            }
            tree.link(b"out", b"/tmp")?;
            tree.file(b"out/through", false, b"bad")?;
            tree.file(b"theirs", false, b"poison\n")?;
            // Twin: what lies below home comes.
            tree.file(b"good", false, b"good\n")
        })
        .map_err(text)?;
    expect(done.output == "good\nsource\n", &done)
}

fn late_writer(world: &World) -> Tried {
    let attack = "mkdir out; echo 1 > out/f; (trap '' TERM HUP; setsid sh -c 'while :; do echo late >> out/f; echo x > out/new; done') & sleep 0.1; rm -f out/new";
    let seen = script(world, attack)?;
    // Whatever it wrote, nothing changes while it is read: the stream is whole.
    expect(
        seen.0 == Outcome::Exited(0) && seen.1.last().is_some_and(|line| line == "end"),
        &seen,
    )
}

fn codes(world: &World) -> Tried {
    let seen = script(world, "mkdir out; exit 2")?;
    expect(seen.0 == Outcome::Exited(2) && seen.1.is_empty(), &seen)
}
