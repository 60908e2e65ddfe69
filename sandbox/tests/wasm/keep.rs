//! What is kept of a run, and restored into the next one: by the rules of any run.

use std::io::Read as _;
use std::time::Duration;

use assay_sandbox::{Keep, Kept, KeptItem, Outcome, Run, RunError};

use crate::programs;
use crate::world::{Case, Tried, World, expect};

pub(crate) const CASES: &[Case] = &[
    ("kept: what a run leaves, nothing behind links", leaves),
    ("kept: bounds, codes, paths", bounds),
    ("kept: restored, after the source", restored),
];

const HOME: &str = "/home/travis";

fn group(paths: &[&str]) -> Keep {
    Keep {
        paths: paths.iter().map(|path| format!("{HOME}/{path}")).collect(),
        bytes: 1 << 20,
        files: 100,
        time: Duration::from_secs(20),
        codes: vec![0, 1],
    }
}

/// Runs lines; what is kept, a line each, and how the run ended.
fn keep(
    world: &World,
    lines: &[&str],
    keep: Keep,
    restore: bool,
) -> Result<(Outcome, Result<Vec<String>, String>), RunError> {
    let mut spec = world.spec(lines);
    spec.keep = vec![keep];
    world.runtime.block_on(async {
        let (mut run, mut tree) = Run::start_wasm(&world.launcher, spec).await?;
        let reading = run
            .kept()
            .map(|kept| tokio::task::spawn_blocking(move || told(kept)));
        let fill = move || {
            tree.file(b"cat.wasm", false, &programs::cat())?;
            tree.link(b"up", b"../../../../../..")?;
            if restore {
                tree.restore()?;
                tree.file(b"/home/travis/cache/a", false, b"cached\n")?;
                tree.file(b"cat.wasm", false, b"no program")?;
                tree.file(b"up/x", false, b"x")?;
            }
            tree.finish()
        };
        drop(tokio::task::spawn_blocking(fill).await);
        while run.event().await.is_some() {}
        let (outcome, _) = run.finish().await?;
        let told = match reading {
            Some(reading) => reading.await.unwrap_or_else(|error| Err(error.to_string())),
            None => Err("no pipe".to_owned()),
        };
        Ok((outcome, told))
    })
}

fn told(mut kept: Kept) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    while let Some(item) = kept.next_item().map_err(|error| error.to_string())? {
        let short = |path: &[u8]| {
            let rest = path.strip_prefix(HOME.as_bytes()).unwrap_or(path);
            rest.escape_ascii().to_string()
        };
        lines.push(match item {
            KeptItem::Group(_) | KeptItem::Time(_) => continue,
            KeptItem::File {
                path, mut content, ..
            } => {
                let mut text = String::new();
                content
                    .read_to_string(&mut text)
                    .map_err(|error| error.to_string())?;
                format!("{} {text}", short(path)).trim_end().to_owned()
            }
            KeptItem::Link { path, target } => {
                format!("{} -> {}", short(path), target.escape_ascii())
            }
            KeptItem::Folder { path } => format!("{}/", short(path)),
            KeptItem::Skipped { path, why } => format!("{} {why}", short(path)),
            KeptItem::Refused(why) => format!("refused: {why}"),
            KeptItem::End => "end".to_owned(),
        });
    }
    Ok(lines)
}

fn leaves(world: &World) -> Tried {
    let lines = ["mkdir -p d/e && echo one > d/a && echo two > d/e/b"];
    let asked = group(&[
        "build/o/r/d",
        "build/o/r/up",
        "build/o/r/up/etc/passwd",
        "gone",
    ]);
    let (outcome, kept) = keep(world, &lines, asked, false).map_err(|e| e.to_string())?;
    let expected = [
        "/build/o/r/d/",
        "/build/o/r/d/a one",
        "/build/o/r/d/e/",
        "/build/o/r/d/e/b two",
        "/build/o/r/up -> ../../../../../..",
        "/build/o/r/up/etc/passwd it lies behind a link or a mount",
        "end",
    ];
    let right = outcome == Outcome::Exited(0)
        && kept
            .as_ref()
            .is_ok_and(|kept| kept.iter().map(String::as_str).eq(expected));
    expect(right, &(outcome, kept))
}

fn bounds(world: &World) -> Tried {
    let lines = ["mkdir d && echo one > d/a && echo two > d/b"];
    let mut few = group(&["build/o/r/d"]);
    few.files = 2;
    let (_, kept) = keep(world, &lines, few, false).map_err(|e| e.to_string())?;
    let refused = |kept: &Result<Vec<String>, String>, why: &str| {
        kept.as_ref()
            .is_ok_and(|kept| kept.last().is_some_and(|last| last.contains(why)))
    };
    expect(refused(&kept, "too many files"), &kept)?;
    let mut small = group(&["build/o/r/d"]);
    small.bytes = 5;
    let (_, kept) = keep(world, &lines, small, false).map_err(|e| e.to_string())?;
    expect(refused(&kept, "too many bytes"), &kept)?;
    // A run that was ended before its time keeps nothing.
    let ended = ["mkdir d && echo one > d/a; exit 2"];
    let (outcome, kept) =
        keep(world, &ended, group(&["build/o/r/d"]), false).map_err(|e| e.to_string())?;
    let nothing = kept.as_ref().map_or(true, Vec::is_empty);
    expect(outcome == Outcome::Exited(2) && nothing, &(outcome, kept))?;
    let mut outside = group(&[]);
    outside.paths = vec!["/etc".to_owned()];
    let refused = keep(world, &lines, outside, false);
    expect(matches!(refused, Err(RunError::Spec { .. })), &refused)
}

fn restored(world: &World) -> Tried {
    let lines = ["echo $(./cat.wasm < $HOME/cache/a) > kept"];
    let (outcome, kept) =
        keep(world, &lines, group(&["build/o/r/kept"]), true).map_err(|e| e.to_string())?;
    let right = outcome == Outcome::Exited(0)
        && kept
            .as_ref()
            .is_ok_and(|kept| kept.iter().eq(["/build/o/r/kept cached", "end"]));
    expect(right, &(outcome, kept))
}
