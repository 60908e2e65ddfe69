//! What the cases work with: runs, their results, and things of the host to attack.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use assay_sandbox::{
    Launcher, Limits, Line, OnFailure, Outcome, Run, RunError, RunEvent, Usage, WasmSpec, When,
};

/// Result of a case's body: an error is what was seen instead of the expected.
pub(crate) type Tried = Result<(), String>;
/// A row: its name and what it does.
pub(crate) type Case = (&'static str, fn(&World) -> Tried);
/// Files of a run's work tree.
pub(crate) type Tree = Vec<(&'static str, Vec<u8>)>;

pub(crate) struct World {
    /// `root` or `user`.
    pub(crate) who: &'static str,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) launcher: Launcher,
    /// A folder of the host with a file `canary`, a toolbox and the native images.
    pub(crate) folder: tempfile::TempDir,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) output: String,
    pub(crate) usage: Usage,
    pub(crate) took: Duration,
}

impl World {
    pub(crate) fn new() -> Result<World, String> {
        let text = |error: std::io::Error| error.to_string();
        let folder = tempfile::tempdir().map_err(text)?;
        std::fs::write(folder.path().join("canary"), "CANARY\n").map_err(text)?;
        let toolbox = folder.path().join("toolbox");
        std::fs::create_dir(&toolbox).map_err(text)?;
        std::fs::write(toolbox.join("hello.wasm"), crate::programs::hello()).map_err(text)?;
        let root = rustix::process::geteuid().is_root();
        Ok(World {
            who: if root { "root" } else { "user" },
            runtime: tokio::runtime::Runtime::new().map_err(text)?,
            launcher: Launcher {
                program: "/proc/self/exe".into(),
                args: vec!["launch".to_owned()],
            },
            folder,
        })
    }

    pub(crate) fn canary(&self) -> String {
        self.folder.path().join("canary").display().to_string()
    }

    /// An ordinary run must pass after every attack, and no folder in memory may be left.
    pub(crate) fn ordinary(&self) -> Tried {
        let done = self.run(&["./hello.wasm | ./cat.wasm"], vec![])?;
        expect(
            done.outcome == Outcome::Exited(0) && done.output == "hello\n",
            &done,
        )?;
        let own = format!("assay-cell-test-{}-", std::process::id());
        let left = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten();
        let left: Vec<_> = left
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(&own))
            .collect();
        expect(left.is_empty(), &left)
    }

    /// Runs these lines with the usual limits.
    pub(crate) fn run(&self, lines: &[&str], tree: Tree) -> Result<Done, String> {
        self.run_spec(self.spec(lines), tree)
    }

    pub(crate) fn run_spec(&self, spec: WasmSpec, tree: Tree) -> Result<Done, String> {
        self.try_spec(spec, tree).map_err(|error| error.to_string())
    }

    pub(crate) fn try_spec(&self, spec: WasmSpec, tree: Tree) -> Result<Done, RunError> {
        self.runtime.block_on(go(&self.launcher, spec, tree, None))
    }

    /// Lines that are not shown, with generous limits, and an id and slot of its own. The last one's result counts.
    pub(crate) fn spec(&self, lines: &[&str]) -> WasmSpec {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let line = |text: &&str| Line {
            text: (*text).to_owned(),
            phase: "script".to_owned(),
            fold: None,
            echo: false,
            timed: false,
            on_failure: OnFailure::Ignore,
            when: When::Always,
        };
        let mut lines: Vec<Line> = lines.iter().map(line).collect();
        lines.push(line(&"exit $?"));
        WasmSpec {
            id: format!("test-{}-{number}", std::process::id()),
            env: vec![("HOME".to_owned(), "/home/travis".to_owned())],
            cwd: "/home/travis/build/o/r".to_owned(),
            home: "/home/travis".to_owned(),
            lines,
            toolbox: vec![self.folder.path().join("toolbox")],
            modules: self.folder.path().join("modules"),
            compile: Duration::from_secs(60),
            fixed: None,
            limits: Limits {
                wall: Duration::from_secs(60),
                silence: Duration::from_secs(60),
                grace: Duration::from_millis(500),
                memory: 64 << 20,
                processes: 20,
                disk: 32 << 20,
                inodes: 1000,
                output: 1 << 20,
                cpu_weight: 100,
            },
            uid_base: 1_800_000_000,
            require: vec![],
            keep: vec![],
        }
    }
}

/// One whole run; canceled after so long, if a time is given.
pub(crate) async fn go(
    launcher: &Launcher,
    spec: WasmSpec,
    tree: Tree,
    cancel: Option<Duration>,
) -> Result<Done, RunError> {
    let began = Instant::now();
    let (mut run, mut writer) = Run::start_wasm(launcher, spec).await?;
    let canceler = run.canceler();
    let fill = move || {
        writer.file(b"hello.wasm", false, &crate::programs::hello())?;
        writer.file(b"cat.wasm", false, &crate::programs::cat())?;
        writer.link(b"out", b"/")?;
        writer.link(b"up", b"../../../../../..")?;
        for (name, content) in tree {
            writer.file(name.as_bytes(), false, &content)?;
        }
        writer.finish()
    };
    // What the launcher refuses shows as a broken pipe here, and is named by `finish`.
    drop(tokio::task::spawn_blocking(fill).await);
    let mut output = Vec::new();
    while let Some(event) = run.event().await {
        match (event, cancel) {
            (RunEvent::Output(bytes), _) => output.extend_from_slice(&bytes),
            (RunEvent::Started, Some(after)) => {
                let canceler = canceler.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    canceler.cancel();
                });
            }
            _ => {}
        }
    }
    let (outcome, usage) = run.finish().await?;
    Ok(Done {
        outcome,
        output: String::from_utf8_lossy(&output).into_owned(),
        usage,
        took: began.elapsed(),
    })
}

/// The condition, or what was seen.
pub(crate) fn expect(condition: bool, seen: &impl std::fmt::Debug) -> Tried {
    if condition {
        return Ok(());
    }
    let text = format!("{seen:?}");
    Err(text.chars().take(1500).collect())
}
