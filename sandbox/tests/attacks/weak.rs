//! Whether the rows can tell: what an attack wants is tried in a deliberately weak sandbox too, where it must get through.
//! What an attack would break is only looked at there, or broken in a folder made for it.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio};

use crate::outside::{PORT, SITE};
use crate::world::{Needs, Tried, Verdict, World, expect};

mod table;

pub(crate) use table::WEAK;

/// What a weak sandbox is made of. None has a seccomp filter, limits, Landlock, or a root of its own.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bed {
    /// Nothing at all.
    Bare,
    /// Nothing at all; only root can do it even so.
    BareRoot,
    /// Nothing but a terminal.
    Terminal,
    /// Namespaces of every kind, with all capabilities kept.
    Namespaces,
    /// The same, and `chroot` in place of a change of root.
    Chroot,
}

/// The weak twin of a row.
pub(crate) enum Weak {
    /// Tried in the jail, where it must not print `GOT`, and in this bed, where it must.
    Both(Bed, &'static str),
    /// The row tries the jail; this is what would come of doing it carelessly. Prints `GOT`.
    Only(Bed, &'static str),
    /// The row itself shows that it gets through without a sandbox: how.
    Within(&'static str),
    /// There is none: why.
    Without(&'static str),
}

/// The weak twin of one row, and what it can't do without.
pub(crate) struct Twin {
    pub(crate) row: &'static str,
    pub(crate) needs: Needs,
    pub(crate) weak: Weak,
}

/// System calls that probes name as `@name@`.
const CALLS: &[(&str, libc::c_long)] = &[
    ("bpf", libc::SYS_bpf),
    ("finit_module", libc::SYS_finit_module),
    ("fsopen", libc::SYS_fsopen),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("keyctl", libc::SYS_keyctl),
    ("memfd_create", libc::SYS_memfd_create),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("personality", libc::SYS_personality),
    ("ptrace", libc::SYS_ptrace),
    ("reboot", libc::SYS_reboot),
    ("setxattr", libc::SYS_setxattr),
    ("userfaultfd", libc::SYS_userfaultfd),
];

/// Things of the host for the probes to reach for.
pub(crate) struct Bait {
    words: Vec<(&'static str, String)>,
    folder: std::path::PathBuf,
    _abstract: UnixListener,
    _socket: UnixListener,
    _leak: OwnedFd,
}

impl Bait {
    pub(crate) fn new(world: &World) -> Result<Bait, String> {
        let text = |e: std::io::Error| e.to_string();
        let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
        let port = listener.local_addr().map_err(text)?.port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                drop((&stream).write_all(b"GOT\n"));
            }
        });
        let name = format!("assay-weak-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
        let path = world.folder.path().join("socket");
        drop(std::fs::remove_file(&path));
        let canary = std::fs::File::open(world.canary()).map_err(text)?;
        // A number of its own, and not closed by exec.
        let leak = rustix::io::fcntl_dupfd_cloexec(&canary, 200).map_err(|e| e.to_string())?;
        rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).map_err(|e| e.to_string())?;
        let folder = world.folder.path().join("weak");
        let mut words = vec![
            ("canary", world.canary()),
            ("folder", folder.display().to_string()),
            ("leak", std::os::fd::AsRawFd::as_raw_fd(&leak).to_string()),
            ("port", port.to_string()),
            ("hex", format!("{port:04X}")),
            ("name", name),
            ("socket", path.display().to_string()),
            ("self", std::process::id().to_string()),
            ("site", format!("{SITE}/{PORT}")),
        ];
        words.extend(
            CALLS
                .iter()
                .map(|(name, number)| (*name, number.to_string())),
        );
        Ok(Bait {
            words,
            folder,
            _abstract: UnixListener::bind_addr(&address).map_err(text)?,
            _socket: UnixListener::bind(&path).map_err(text)?,
            _leak: leak,
        })
    }

    fn fill(&self, script: &str) -> String {
        self.words
            .iter()
            .fold(script.to_owned(), |script, (name, value)| {
                script.replace(&format!("@{name}@"), value)
            })
    }

    /// Runs a script without our sandbox, in an empty folder; whether it got through.
    fn gets_through(&self, bed: Bed, script: &str) -> Result<bool, String> {
        let text = |e: std::io::Error| e.to_string();
        drop(std::fs::remove_dir_all(&self.folder));
        std::fs::create_dir(&self.folder).map_err(text)?;
        let namespaces = "unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc --net --uts --ipc --cgroup \
                          bash -c";
        let words: Vec<&str> = match bed {
            Bed::Bare | Bed::BareRoot => vec!["bash", "-c"],
            Bed::Terminal => vec!["script", "--quiet", "--return", "/dev/null", "--command"],
            Bed::Namespaces | Bed::Chroot => namespaces.split_whitespace().collect(),
        };
        let script = match bed {
            // Folders of the host under another root; whoever is first keeps the old one.
            Bed::Chroot => format!(
                "mkdir -p root/proc; for d in usr bin sbin lib lib64; do test -e /$d && mkdir root/$d && mount --rbind /$d root/$d; done; \
                 mount -t proc proc root/proc; chroot root bash -c {}; true",
                quoted(script)
            ),
            _ => script.to_owned(),
        };
        let output = Command::new(words[0])
            .args(&words[1..])
            .arg(&script)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(text)?;
        drop(std::fs::remove_dir_all(&self.folder));
        Ok(String::from_utf8_lossy(&output.stdout).contains("GOT"))
    }
}

/// For a shell, whatever it holds.
fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', "'\\''"))
}

impl Twin {
    /// Whether there is something to try beside the row.
    pub(crate) fn is_tried(&self) -> bool {
        matches!(self.weak, Weak::Both(..) | Weak::Only(..))
    }

    /// Tries it both ways.
    pub(crate) fn try_it(&self, world: &World, bait: &Bait) -> Verdict {
        if let Some(missing) = world.misses(self.needs) {
            return Verdict::Skipped(missing);
        }
        let (bed, script, both) = match self.weak {
            Weak::Both(bed, script) => (bed, bait.fill(script), true),
            Weak::Only(bed, script) => (bed, bait.fill(script), false),
            Weak::Within(_) | Weak::Without(_) => return Verdict::Passed,
        };
        if both && let Err(why) = held(world, &script) {
            return Verdict::Failed(why);
        }
        if bed == Bed::BareRoot && world.who != "root" {
            return Verdict::Passed;
        }
        match bait.gets_through(bed, &script) {
            Ok(true) => Verdict::Passed,
            // A host may be closed by itself; then the probe proves nothing here.
            Ok(false) => Verdict::Skipped("this host refuses it without any sandbox".to_owned()),
            Err(why) => Verdict::Failed(why),
        }
    }
}

fn held(world: &World, script: &str) -> Tried {
    let held = world.job(&format!("exec 2>/dev/null; {script}; true"))?;
    expect(!held.output.contains("GOT"), &held)
}
