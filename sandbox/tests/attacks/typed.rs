//! A person at a run's terminal.

use std::time::Duration;

use assay_sandbox::{Keyboard, Outcome, Run, RunEvent, RunSpec};

use crate::images;
use crate::world::{Case, Tried, World, case, expect, spec};

pub(crate) const CASES: &[Case] = &[
    case("typed lines and another size arrive", lines),
    case("typing that nobody reads holds nothing up", unread),
    case("what is typed while root is busy is for the job", early),
    case("typing into a run that is over is lost", late),
];

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Runs with somebody at the keyboard, who is told all output so far whenever there is more.
pub(crate) async fn attended(
    world: &World,
    spec: RunSpec,
    mut person: impl AsyncFnMut(&Keyboard, &str),
) -> Result<(Outcome, String), String> {
    let (mut run, tree) = Run::start(&world.launcher, spec).await.map_err(text)?;
    let keyboard = run.keyboard();
    tree.finish().map_err(text)?;
    let mut output = Vec::new();
    while let Some(event) = run.event().await {
        if let RunEvent::Output(bytes) = event {
            output.extend_from_slice(&bytes);
            person(&keyboard, &String::from_utf8_lossy(&output)).await;
        }
    }
    let (outcome, _) = run.finish().await.map_err(text)?;
    Ok((outcome, String::from_utf8_lossy(&output).into_owned()))
}

pub(crate) fn attend(
    world: &World,
    spec: RunSpec,
    person: impl AsyncFnMut(&Keyboard, &str),
) -> Result<(Outcome, String), String> {
    world.runtime.block_on(attended(world, spec, person))
}

fn lines(world: &World) -> Tried {
    let script = "stty size; read -r name; echo \"hello $name\"
        until [ \"$(stty size)\" = '40 132' ]; do sleep 0.02; done; echo resized; cat; exit 4";
    let mut done = 0;
    let said = attend(world, spec(script), async |keyboard, output| {
        let steps = ["24 80", "hello ann", "resized"];
        while done < steps.len() && output.contains(steps[done]) {
            match done {
                0 => keyboard.write(b"ann\n".to_vec()).await,
                1 => keyboard.resize(132, 40).await,
                // The end of the input, as a terminal knows it.
                _ => keyboard.write(vec![4]).await,
            }
            done += 1;
        }
    })?;
    expect(said.0 == Outcome::Exited(4), &said)
}

fn unread(world: &World) -> Tried {
    let mut spec = spec("stty raw -echo; echo ready; sleep 60");
    spec.limits.wall = Duration::from_secs(2);
    let (began, mut typing) = (std::time::Instant::now(), None);
    let said = attend(world, spec, async |keyboard, output| {
        if output.contains("ready") && typing.is_none() {
            let keyboard = keyboard.clone();
            typing = Some(tokio::spawn(async move {
                for _ in 0..100 {
                    keyboard.write(vec![b'x'; 64 * 1024]).await;
                }
            }));
        }
    })?;
    // Long before the job would have ended by itself.
    let in_time = began.elapsed() < Duration::from_secs(20);
    expect(
        said.0 == Outcome::Time && typing.is_some() && in_time,
        &(said, began.elapsed()),
    )
}

fn early(world: &World) -> Tried {
    if !images::has_first(world)? {
        return Ok(());
    }
    let first = "echo busy; sleep 0.3; read -r line && echo \"BAD $line\"; echo made";
    let job = "read -r name; echo \"hello $name\"; stty size";
    let mut typed = false;
    let said = attend(
        world,
        images::first_with(first, job),
        async |keyboard, output| {
            if output.contains("busy") && !typed {
                typed = true;
                keyboard.write(b"ann\n".to_vec()).await;
                keyboard.resize(132, 40).await;
            }
        },
    )?;
    let as_it_should = said.1.contains("hello ann") && said.1.contains("40 132");
    expect(as_it_should && !said.1.contains("BAD"), &said)
}

fn late(world: &World) -> Tried {
    let mut kept = None;
    let said = attend(world, spec("echo ready"), async |keyboard, _| {
        kept = Some(keyboard.clone());
    })?;
    let keyboard = kept.ok_or("no output")?;
    let typing = keyboard.write(b"x".to_vec());
    let typed = world
        .runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), typing).await });
    expect(typed.is_ok() && said.0 == Outcome::Exited(0), &said)
}
