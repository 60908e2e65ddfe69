//! Room on a disk: what a job writes there can't be read from it, and is gone with the job, however the job ends.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use assay_sandbox::{Keep, KeptItem, Outcome, Run, RunError, RunEvent, RunSpec, Scratch};

use crate::world::{Case, Needs, Tried, World, be_daemon, expect, spec};

const fn case(name: &'static str, needs: Needs, run: fn(&World) -> Tried) -> Case {
    Case { name, needs, run }
}

pub(crate) const CASES: &[Case] = &[
    case("scratch: nothing of it can be read", Needs::Scratch, sealed),
    case(
        "scratch: room beyond memory, and no more",
        Needs::Scratch,
        room,
    ),
    case("scratch: gone with a killed daemon", Needs::Scratch, killed),
    case(
        "scratch: refused where it can't be sealed",
        Needs::Nothing,
        refused,
    ),
];

const SIZE: u64 = 200 << 20;
/// Of one that is read byte by byte.
const SMALL: u64 = 32 << 20;

fn with(folder: &Path, script: &str) -> RunSpec {
    let mut job = spec(script);
    job.scratch = Some(Scratch {
        folder: folder.to_owned(),
        bytes: SIZE,
    });
    job
}

/// A folder of a real disk: `/tmp` may be memory.
fn disk() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir_in("/var/tmp").map_err(|e| e.to_string())
}

/// Loop devices whose file was, or is, in this folder.
fn devices(folder: &Path) -> Vec<PathBuf> {
    let blocks = std::fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten();
    let text = folder.to_string_lossy().into_owned();
    blocks
        .filter(|block| {
            std::fs::read_to_string(block.path().join("loop/backing_file"))
                .is_ok_and(|file| file.starts_with(&text))
        })
        .map(|block| Path::new("/dev").join(block.file_name()))
        .collect()
}

/// Waits for the kernel, which lets go of mounts in its own time.
fn let_go(folder: &Path) -> Tried {
    let began = Instant::now();
    while !devices(folder).is_empty() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    expect(devices(folder).is_empty(), &devices(folder))?;
    let left: Vec<_> = std::fs::read_dir(folder)
        .map_err(|e| e.to_string())?
        .flatten()
        .collect();
    expect(left.is_empty(), &left)
}

/// Whether a disk holds these bytes anywhere.
fn holds(device: &Path, bytes: &[u8]) -> Result<bool, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut file = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(device)
        .map_err(text)?;
    let mut buffer = vec![0; 4 << 20];
    let mut kept = 0;
    loop {
        let read = file.read(&mut buffer[kept..]).map_err(text)?;
        let end = kept + read;
        if buffer[..end].windows(bytes.len()).any(|part| part == bytes) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // A mark may lie across the border.
        kept = bytes.len().min(end);
        buffer.copy_within(end - kept..end, 0);
    }
}

/// The job's mark, made by it so that it stands in no argument.
const MARK: &str = "SEALED-marker-of-the-job";
const MAKE: &str = "m=$(printf 'SEALED-%s' marker-of-the-job)";

fn sealed(world: &World) -> Tried {
    let folder = disk()?;
    let script = format!(
        "{MAKE}; i=0; while [ $i -lt 5000 ]; do echo $m; i=$((i+1)); done >big; cp big /tmp/$m; cp big $HOME/$m; sync -f big /tmp/$m; \
         echo up; read -t 30 x </dev/tty"
    );
    let seen = world.runtime.block_on(async {
        let mut job = with(folder.path(), &script);
        job.scratch
            .iter_mut()
            .for_each(|scratch| scratch.bytes = SMALL);
        let (mut run, tree) = Run::start(&world.launcher, job)
            .await
            .map_err(|e| e.to_string())?;
        drop(tokio::task::spawn_blocking(move || tree.finish()).await);
        let mut seen = None;
        while let Some(event) = run.event().await {
            if matches!(event, RunEvent::Output(_)) && seen.is_none() {
                let devices = devices(folder.path());
                let found = devices.iter().map(|device| holds(device, MARK.as_bytes()));
                seen = Some((devices.len(), found.collect::<Vec<_>>()));
                run.canceler().cancel();
            }
        }
        drop(run.finish().await);
        Ok::<_, String>(seen)
    })?;
    expect(seen == Some((1, vec![Ok(false)])), &seen)?;
    let_go(folder.path())?;
    expect(
        weak(folder.path())?,
        &"a plain file system doesn't show the mark",
    )
}

/// The same on a file system that isn't encrypted: the mark is found, so the row can tell.
fn weak(folder: &Path) -> Result<bool, String> {
    let script = format!(
        "set -e; truncate -s 64M disk; mkfs.ext4 -q disk; mkdir m; mount -o loop disk m; trap 'umount m' EXIT; {MAKE}; \
         echo $m >m/$m; sync -f m/$m; grep -q $m disk && echo GOT"
    );
    let output = Command::new("unshare")
        .args(["--mount", "bash", "-c", &script])
        .current_dir(folder)
        .output()
        .map_err(|e| e.to_string())?;
    Ok(output.stdout.ends_with(b"GOT\n"))
}

fn room(world: &World) -> Tried {
    let folder = disk()?;
    // More than its RAM root, and than its memory.
    let script = "df --output=target . /tmp /var/tmp / | tail -n +2; id -u; head -c 100M /dev/zero >big && stat -c %s big; \
                  echo x >/tmp/x && echo x >/var/tmp/x && mkdir d && cat given; stat -c %a /tmp; mkdir out; echo kept >out/f; \
                  ls /run/assay";
    let mut job = with(folder.path(), script);
    job.limits.memory = 96 << 20;
    job.limits.disk = 32 << 20;
    job.keep = vec![Keep {
        paths: vec!["/home/travis/build/o/r/out".to_owned()],
        bytes: 1 << 20,
        files: 10,
        time: Duration::from_secs(20),
        codes: vec![0],
    }];
    let (output, outcome, kept) = world.runtime.block_on(async {
        let (mut run, mut tree) = Run::start(&world.launcher, job)
            .await
            .map_err(|e| e.to_string())?;
        let kept = run.kept().ok_or("no pipe")?;
        let reading = tokio::task::spawn_blocking(move || files(kept));
        let filled = tokio::task::spawn_blocking(move || {
            tree.file(b"given", false, b"given\n")
                .and_then(|()| tree.finish())
        });
        filled
            .await
            .map_err(|e| e.to_string())?
            .map_err(|e| e.to_string())?;
        let mut output = Vec::new();
        while let Some(event) = run.event().await {
            if let RunEvent::Output(bytes) = event {
                output.extend(bytes);
            }
        }
        let (outcome, _) = run.finish().await.map_err(|e| e.to_string())?;
        let kept = reading.await.map_err(|e| e.to_string())?;
        Ok::<_, String>((
            String::from_utf8_lossy(&output).replace("\r\n", "\n"),
            outcome,
            kept,
        ))
    })?;
    let uid = if crate::world::flavour() == crate::world::Flavour::Root {
        0
    } else {
        1000
    };
    let expected = format!("/home/travis\n/tmp\n/var/tmp\n/\n{uid}\n104857600\ngiven\n1777\n");
    expect(
        output.starts_with(&expected)
            && !output.contains("scratch")
            && outcome == Outcome::Exited(0),
        &(&output, outcome),
    )?;
    expect(kept == ["/home/travis/build/o/r/out/f"], &kept)?;
    let full = world.run(with(folder.path(), "head -c 300M /dev/zero >big"))?;
    expect(
        full.outcome == Outcome::Disk(1) && full.output.contains("No space left"),
        &full,
    )?;
    // Devices and set-uid bits count for as little as elsewhere; others' scratches aren't there.
    let done = world.run(with(
        folder.path(),
        "ls -A $HOME /tmp; cp /usr/bin/id i && chmod 6755 i && ./i -u; mknod n c 1 3 && cat n && echo BAD",
    ))?;
    expect(
        done.output.contains(&format!("\n{uid}\n"))
            && !done.output.contains("BAD")
            && !done.output.contains("big"),
        &done,
    )?;
    let_go(folder.path())
}

fn files(mut kept: assay_sandbox::Kept) -> Vec<String> {
    let mut files = Vec::new();
    while let Ok(Some(item)) = kept.next_item() {
        if let KeptItem::File { path, .. } = item {
            files.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    files
}

/// The part that is killed: a daemon with one job.
pub(crate) fn daemon(folder: &str) -> ExitCode {
    let script = "head -c 20M /dev/zero >big; echo up; sleep 600";
    be_daemon(&["launch"], with(Path::new(folder), script))
}

fn killed(_: &World) -> Tried {
    let folder = disk()?;
    let mut child = Command::new("/proc/self/exe")
        .arg("scratch-daemon")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut line = String::new();
    let output = child.stdout.take().ok_or("no output")?;
    BufReader::new(output)
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    let attached = devices(folder.path()).len();
    child
        .kill()
        .and_then(|()| child.wait())
        .map_err(|e| e.to_string())?;
    expect(line == "up\n" && attached == 1, &(line, attached))?;
    let_go(folder.path())
}

fn refused(world: &World) -> Tried {
    let job = |folder: &str, bytes| {
        let mut job = spec("echo RAN");
        job.scratch = Some(Scratch {
            folder: folder.into(),
            bytes,
        });
        job
    };
    for odd in [
        job("/nonexistent", SIZE),
        job("/proc", SIZE),
        job("/var/tmp", 1 << 60),
    ] {
        let result = world.run_with(odd, |_| Ok(()));
        let told = matches!(&result, Err(RunError::Setup { promise, .. }) if promise.contains("encryption"));
        expect(told, &result)?;
    }
    let small = world.run_with(job("/var/tmp", 1), |_| Ok(()));
    expect(matches!(small, Err(RunError::Spec { .. })), &small)?;
    if world.who != "root" {
        let result = world.run_with(job("/var/tmp", SIZE), |_| Ok(()));
        let told = result
            .as_ref()
            .is_err_and(|error| error.to_string().contains("runs as root"));
        expect(told, &result)?;
    }
    Ok(())
}
