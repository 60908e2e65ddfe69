//! What the cases work with: jobs, their results, and things of the host to attack.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assay_sandbox::{
    CheckState, Image, Images, Imported, Launcher, Limits, Network, Outcome, Profile, Remains, Run,
    RunError, RunEvent, RunSpec, TreeWriter, Usage,
};

/// Result of a case's body: an error is what was seen instead of the expected.
pub(crate) type Tried = Result<(), String>;

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) run: fn(&World) -> Tried,
}

/// A row that can be tried everywhere.
pub(crate) const fn case(name: &'static str, run: fn(&World) -> Tried) -> Case {
    needing(Needs::Nothing, name, run)
}

/// A row that can't be tried without this.
pub(crate) const fn needing(needs: Needs, name: &'static str, run: fn(&World) -> Tried) -> Case {
    Case { name, needs, run }
}

/// What a case can't do without.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Needs {
    Nothing,
    /// Control groups for memory and processes.
    Groups,
    /// A group that shares out the processors.
    Shares,
    /// A uid of its own for each running job.
    Uids,
    /// A raw system call from a script.
    Perl,
    /// An encrypted file system on a disk.
    Scratch,
    /// A network helper, and an outside to meet.
    Outside,
    /// A pass with an imported image; in the others there is nothing to try.
    Image,
}

pub(crate) enum Verdict {
    Passed,
    Skipped(String),
    Failed(String),
}

pub(crate) struct World {
    /// `root` or `user`.
    pub(crate) who: String,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) launcher: Launcher,
    /// A folder of the host outside the image, with a file `canary` that holds `CANARY`.
    pub(crate) folder: tempfile::TempDir,
    groups: bool,
    shares: bool,
    /// Images have a range of uids.
    pub(crate) ranged: bool,
    /// What is missing for room on a disk.
    no_scratch: Option<String>,
    /// What is missing for a way out.
    no_network: Option<String>,
}

/// What the jobs of a pass run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// A view of the host.
    Host,
    /// An imported image.
    Image,
    /// An imported image, profile root.
    Root,
}

impl Flavour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Flavour::Host => "host",
            Flavour::Image => "image",
            Flavour::Root => "root",
        }
    }
}

/// The pass that is going on.
static PASS: Mutex<(Flavour, Option<(Images, Imported)>)> = Mutex::new((Flavour::Host, None));

fn pass() -> MutexGuard<'static, (Flavour, Option<(Images, Imported)>)> {
    PASS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn flavour() -> Flavour {
    pass().0
}

pub(crate) fn set_flavour(flavour: Flavour, image: Option<(Images, Imported)>) {
    *pass() = (flavour, image);
}

/// The store of images of the pass that is going on; none for the host's view.
pub(crate) fn images() -> Option<Images> {
    pass().1.as_ref().map(|(images, _)| images.clone())
}

/// A finished job.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) output: String,
    pub(crate) notices: Vec<String>,
    pub(crate) usage: Usage,
}

impl World {
    pub(crate) fn new() -> Result<World, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        std::fs::write(folder.path().join("canary"), "CANARY\n").map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
        let root = rustix::process::geteuid().is_root();
        let good = |name| {
            assay_sandbox::doctor()
                .iter()
                .any(|c| c.name == name && c.state == CheckState::Good)
        };
        Ok(World {
            who: if root { "root" } else { "user" }.to_owned(),
            runtime,
            launcher: launcher(&["launch"]),
            folder,
            groups: good("cgroup memory") && good("cgroup pids"),
            shares: good("cgroup cpu"),
            ranged: good("image owners"),
            no_scratch: missing("scratch"),
            no_network: no_network(),
        })
    }

    pub(crate) fn try_case(&self, case: &Case) -> Verdict {
        if let Some(missing) = self.misses(case.needs) {
            return Verdict::Skipped(missing);
        }
        match (case.run)(self).and_then(|()| self.ordinary()) {
            Ok(()) => Verdict::Passed,
            Err(why) => Verdict::Failed(why),
        }
    }

    /// What of this isn't here.
    pub(crate) fn misses(&self, needs: Needs) -> Option<String> {
        let no_perl = || !std::path::Path::new("/usr/bin/perl").exists();
        let missing = match needs {
            Needs::Groups if !self.groups => "no control groups here for this user",
            Needs::Shares if !self.shares => "no cpu control group here for this user",
            Needs::Uids if self.who != "root" => {
                "jobs of an ordinary user are that user to the kernel, which counts by uid"
            }
            Needs::Perl | Needs::Groups | Needs::Uids if no_perl() => "needs perl",
            Needs::Scratch => return self.no_scratch.clone(),
            Needs::Outside => return self.no_network.clone(),
            _ => return None,
        };
        Some(missing.to_owned())
    }

    pub(crate) fn canary(&self) -> String {
        self.folder.path().join("canary").display().to_string()
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.groups
    }

    /// An ordinary job must pass after every attack.
    fn ordinary(&self) -> Tried {
        let done = self.job("echo fine; test -w . && test -r /usr && echo x >/tmp/x")?;
        expect(
            done.outcome == Outcome::Exited(0) && done.output == "fine\n",
            &done,
        )
    }

    /// Runs a script with the usual limits.
    pub(crate) fn job(&self, script: &str) -> Result<Done, String> {
        self.run(spec(script))
    }

    pub(crate) fn run(&self, spec: RunSpec) -> Result<Done, String> {
        self.run_with(spec, |_| Ok(()))
            .map_err(|error| error.to_string())
    }

    /// Runs with a source tree.
    pub(crate) fn run_with(
        &self,
        spec: RunSpec,
        fill: impl FnOnce(&mut TreeWriter) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Done, RunError> {
        self.runtime.block_on(go(&self.launcher, spec, fill))
    }
}

fn no_network() -> Option<String> {
    if !crate::outside::exists() {
        return Some("needs root, unshare and ip, to make an outside".to_owned());
    }
    missing("network")
}

/// What `doctor` has to say against this.
fn missing(name: &str) -> Option<String> {
    let check = assay_sandbox::doctor()
        .into_iter()
        .find(|check| check.name == name)?;
    (check.state != CheckState::Good).then_some(check.detail)
}

pub(crate) fn launcher(args: &[&str]) -> Launcher {
    Launcher {
        program: "/proc/self/exe".into(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    }
}

/// One whole run.
pub(crate) async fn go(
    launcher: &Launcher,
    spec: RunSpec,
    fill: impl FnOnce(&mut TreeWriter) -> std::io::Result<()> + Send + 'static,
) -> Result<Done, RunError> {
    let (done, remains) = go_to_end(launcher, spec, fill).await?;
    remains.gone().await;
    Ok(done)
}

/// The same until its processes are dead.
pub(crate) async fn go_to_end(
    launcher: &Launcher,
    spec: RunSpec,
    fill: impl FnOnce(&mut TreeWriter) -> std::io::Result<()> + Send + 'static,
) -> Result<(Done, Remains), RunError> {
    let (mut run, mut tree) = Run::start(launcher, spec).await?;
    // What the launcher refuses shows as a broken pipe here, and is named by `finish`.
    drop(tokio::task::spawn_blocking(move || fill(&mut tree).and_then(|()| tree.finish())).await);
    let (mut output, mut notices) = (Vec::new(), Vec::new());
    while let Some(event) = run.event().await {
        match event {
            RunEvent::Output(bytes) => output.extend_from_slice(&bytes),
            RunEvent::Notice(line) => notices.push(line),
            RunEvent::Started => {}
        }
    }
    let (ended, remains) = run.end().await;
    let (outcome, usage) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            remains.gone().await;
            return Err(error);
        }
    };
    let output = String::from_utf8_lossy(&output).replace("\r\n", "\n");
    let done = Done {
        outcome,
        output,
        notices,
        usage,
    };
    Ok((done, remains))
}

/// A script with generous limits, and an id and slot of its own.
pub(crate) fn spec(script: &str) -> RunSpec {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (flavour, image) = pass().clone();
    RunSpec {
        id: format!("test-{}-{number}", std::process::id()),
        argv: ["bash", "-c", script].map(str::to_owned).to_vec(),
        env: [
            (
                "PATH",
                "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/run/assay/bin",
            ),
            ("HOME", "/home/travis"),
            ("TERM", "dumb"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        cwd: "/home/travis/build/o/r".into(),
        home: "/home/travis".into(),
        user: "travis".into(),
        image: image.map_or(Image::Host { folders: vec![] }, |(_, image)| {
            Image::Imported(image)
        }),
        profile: if flavour == Flavour::Root {
            Profile::Root
        } else {
            Profile::Strict
        },
        first: None,
        network: Network::None,
        binds: vec![],
        limits: Limits {
            wall: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            grace: Duration::from_millis(300),
            memory: 512 << 20,
            processes: 100,
            disk: 64 << 20,
            inodes: 4000,
            output: 1 << 20,
            cpu_weight: 100,
        },
        uid_base: 1_800_000_000,
        require: vec![],
        terminal: (80, 24),
        keep: vec![],
        scratch: None,
    }
}

/// The condition, or what was seen.
pub(crate) fn expect(condition: bool, seen: &impl std::fmt::Debug) -> Tried {
    if condition {
        return Ok(());
    }
    let mut text = format!("{seen:?}");
    if text.len() > 1500 {
        text = format!("{}…", text.chars().take(1500).collect::<String>());
    }
    Err(text)
}

/// A raw system call as a perl statement that prints its result and error number.
pub(crate) fn call(number: i64, arguments: &str) -> String {
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!(", {arguments}")
    };
    format!("perl -e '$r = syscall({number}{arguments}); printf \"%d %d\\n\", $r, $!+0;' ; ")
}

/// Processes of the whole host whose command line holds `marker`.
pub(crate) fn processes_with(marker: &str) -> Vec<rustix::process::Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            let path = PathBuf::from(format!("/proc/{pid}/cmdline"));
            std::fs::read(path).is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
        })
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
}

/// Runs a job as a daemon that is to be killed, and says "up" when its script has said something.
pub(crate) fn be_daemon(launcher_args: &[&str], job: RunSpec) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitCode::FAILURE;
    };
    let result = runtime.block_on(async {
        let (mut run, tree) = Run::start(&launcher(launcher_args), job).await?;
        drop(tokio::task::spawn_blocking(move || tree.finish()).await);
        let mut up = false;
        while let Some(event) = run.event().await {
            // Once: a line may come in parts, and whoever waits for the first one may read no more.
            if matches!(event, RunEvent::Output(_)) && !std::mem::replace(&mut up, true) {
                println!("up");
            }
        }
        run.finish().await
    });
    println!("{result:?}");
    ExitCode::FAILURE
}
