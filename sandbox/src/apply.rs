//! Carries out the steps of a plan, one after the other, and stops at the first that fails.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

use crate::jail::{SCRATCH, Step};
use crate::net::{Connection, Keeper, Loading};
use crate::wire::{Failure, Part};
use crate::{scratch, sys, userns};

/// How images are mounted.
const IMAGE: u64 = sys::ATTR_RDONLY | sys::ATTR_NOSUID | sys::ATTR_NODEV;

/// Of a set, of all sets together, of one call; and sets: what kernels allowed before they allowed gigabytes.
const SEMAPHORES: &str = "250 32000 100 128";
/// Message queues of 16 KiB.
const QUEUES: &str = "128";
/// What `shmall` counts in, bytes; larger pages make the bound larger.
const PAGE: u64 = 4096;

/// What steps leave for later ones.
#[derive(Default)]
pub(crate) struct Builder {
    opened: HashMap<PathBuf, OwnedFd>,
    root: Option<OwnedFd>,
    /// The folder that the last step worked in: neighbours come one after the other.
    parent: Option<(String, Rc<OwnedFd>)>,
    /// The RAM root, where it lies below an image.
    ram: Option<OwnedFd>,
    /// A user namespace to be entered.
    range: Option<OwnedFd>,
    /// The process that connects the network.
    pub(crate) keeper: Option<Keeper>,
    /// What is not waited for yet.
    way_out: Option<(Loading, Connection)>,
}

impl Builder {
    /// Does all of `steps`.
    pub(crate) fn apply(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            let fail = |error: io::Error| {
                Failure::new(
                    Part::Jail(step.promise().to_owned()),
                    step.to_string(),
                    &error,
                )
            };
            self.step(step).map_err(fail)?;
        }
        Ok(())
    }

    /// Host folders that come opened.
    pub(crate) fn take_opened(&mut self, trees: impl Iterator<Item = (PathBuf, OwnedFd)>) {
        self.opened.extend(trees);
    }

    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Join(group) => std::fs::write(group.join("cgroup.procs"), "0"),
            Step::Open(source) => self.open(source),
            Step::OpenShifted(source) => self.open_shifted(source),
            Step::Become(uid) => userns::become_id(*uid),
            Step::Helper { helper, owner } => {
                self.keeper = Some(Keeper::start(helper, *owner)?);
                Ok(())
            }
            Step::Range { owner, range } => {
                self.range = Some(userns::make(*owner, *range, false)?);
                Ok(())
            }
            Step::Enter => self.enter(),
            Step::Inside(id) => userns::become_id(*id),
            Step::WayOut(rules) => self.open_way_out(rules),
            Step::Connected => self.wait_for_way_out(),
            Step::Namespaces { inside } => namespaces(*inside),
            Step::Loopback => loopback(),
            Step::Hostname(name) => Ok(rustix::system::sethostname(name.as_bytes())?),
            Step::Root { size, inodes } => self.mount_root(*size, *inodes),
            Step::Overlay(image) => self.overlay(image),
            Step::Fresh(path, mode) => self.fresh(path, *mode),
            Step::Folder(path, mode) => self.folder(path, *mode),
            Step::File(path, text) => self.file(path, text.as_bytes(), 0o644),
            Step::Replace(path, text) => self.replace(path, text.as_bytes()),
            Step::Program(path, text) => self.file(path, text.as_bytes(), 0o755),
            Step::Cover { path, with } => self.cover(path, with),
            Step::Own(path, id) => self.own(path, *id),
            Step::Copy(path) => self.copy(path),
            Step::Link(path, target) => self.link(path, target),
            Step::Show { source, target } => self.show(source, target),
            Step::Scratch(home) => self.scratch(home),
            Step::Device(name) => self.device(name),
            Step::Terminals => self.terminals(),
            Step::Processes => self.mount("proc", "/proc", MountFlags::NODEV, ""),
            Step::NoNamespaces => {
                self.lower("user/max_user_namespaces", "0");
                Ok(())
            }
            Step::Ipc(bytes) => {
                self.lower("kernel/sem", SEMAPHORES);
                self.lower("kernel/msgmni", QUEUES);
                self.lower("kernel/shmall", &(bytes / PAGE).max(1).to_string());
                Ok(())
            }
            Step::Mask(path) => self.mask(path),
            Step::ReadOnly(path) => self.read_only(path),
            Step::Pivot => self.pivot(),
        }
    }

    fn root(&self) -> io::Result<BorrowedFd<'_>> {
        self.root
            .as_ref()
            .map(AsFd::as_fd)
            .ok_or_else(|| io::Error::other("no root yet"))
    }

    /// Nothing but this process and the helper is in the namespace until both are done, so neither need wait for the other.
    fn open_way_out(&mut self, rules: &str) -> io::Result<()> {
        let keeper = self.keeper.as_ref();
        let keeper = keeper.ok_or_else(|| io::Error::other("no helper"))?;
        let connection = keeper.connect()?;
        self.way_out = Some((Loading::start(rules)?, connection));
        Ok(())
    }

    fn wait_for_way_out(&mut self) -> io::Result<()> {
        let way_out = self.way_out.take();
        let (rules, connection) = way_out.ok_or_else(|| io::Error::other("no way out"))?;
        rules.finish()?;
        connection.finish()
    }

    fn open(&mut self, source: &Path) -> io::Result<()> {
        self.opened.insert(source.to_owned(), open(source)?);
        Ok(())
    }

    /// The RAM root is mounted over the old root, where no path leads: host paths keep meaning the host until the pivot.
    fn mount_root(&mut self, size: u64, inodes: u64) -> io::Result<()> {
        let made = tmpfs(size, inodes, true).or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => tmpfs(size, inodes, false),
            _ => Err(error),
        })?;
        rustix::mount::move_mount(
            made.as_fd(),
            "",
            CWD,
            "/",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
        rustix::process::fchdir(&made)?;
        self.root = Some(made);
        Ok(())
    }

    fn open_shifted(&mut self, source: &Path) -> io::Result<()> {
        let tree = clone_one(source)?;
        let namespace = self
            .range
            .as_ref()
            .ok_or_else(|| io::Error::other("no range"))?;
        sys::shift_owners(tree.as_fd(), IMAGE, namespace.as_fd())?;
        self.opened.insert(source.to_owned(), tree);
        Ok(())
    }

    fn enter(&mut self) -> io::Result<()> {
        let namespace = self
            .range
            .take()
            .ok_or_else(|| io::Error::other("no range"))?;
        userns::join(&namespace)?;
        sys::unshare(sys::jail_namespaces() - rustix::thread::UnshareFlags::NEWUSER)
    }

    /// The image below, the RAM root's folders above; what comes out becomes the root. The RAM root itself goes out of
    /// sight with the old root.
    fn overlay(&mut self, image: &Path) -> io::Result<()> {
        let tree = match self.opened.remove(image) {
            Some(tree) => tree,
            None => clone_one(image)?,
        };
        sys::mount_attributes(tree.as_fd(), IMAGE)?;
        for path in ["/lower", "/upper", "/work", "/root", "/fresh"] {
            self.folder(path, 0o755)?;
        }
        self.attach(&tree, "/lower")?;
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // The RAM root is the working folder.
        for (key, path) in [
            ("lowerdir", "lower"),
            ("upperdir", "upper"),
            ("workdir", "work"),
        ] {
            rustix::mount::fsconfig_set_string(&context, key, path)?;
        }
        rustix::mount::fsconfig_set_flag(&context, "userxattr")?;
        rustix::mount::fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let made = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        self.attach(&made, "/root")?;
        rustix::process::fchdir(&made)?;
        self.ram = self.root.replace(made);
        self.parent = None;
        Ok(())
    }

    /// A folder of the RAM root itself, over the image's: quicker than through the image, and its own.
    fn fresh(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let ram = self
            .ram
            .as_ref()
            .ok_or_else(|| io::Error::other("no RAM root"))?;
        let inside = format!("fresh/{}", path.trim_start_matches('/').replace('/', "-"));
        rustix::fs::mkdirat(ram, &inside, Mode::from_raw_mode(mode))?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(ram, &inside, flags)?;
        self.folder(path, 0o755)?;
        self.parent = None;
        self.attach(&tree, path)
    }

    fn replace(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(&parent, name, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => self.file(path, content, 0o644),
            Err(error) => Err(error.into()),
        }
    }

    fn cover(&mut self, path: &str, with: &str) -> io::Result<()> {
        match self.beneath(path, OFlags::empty()) {
            Ok(_) => {
                let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
                let tree =
                    rustix::mount::open_tree(self.root()?, with.trim_start_matches('/'), flags)?;
                self.attach(&tree, path)
            }
            // Not there, or a link to somewhere: nothing that would be taken for the real one.
            Err(_) => Ok(()),
        }
    }

    fn own(&mut self, path: &str, id: u32) -> io::Result<()> {
        let (uid, gid) = (
            rustix::process::Uid::from_raw(id),
            rustix::process::Gid::from_raw(id),
        );
        let (parent, name) = self.parent(path)?;
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(
            &parent,
            name,
            Some(uid),
            Some(gid),
            flags,
        )?)
    }

    fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder that holds `path`, making it where it is missing. No link is followed.
    fn parent<'p>(&mut self, path: &'p str) -> io::Result<(Rc<OwnedFd>, &'p str)> {
        let (folder, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
        if let Some((last, fd)) = &self.parent
            && last == folder
        {
            return Ok((Rc::clone(fd), name));
        }
        let fd = match self.beneath(folder, OFlags::DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folder(folder, 0o755)?;
                self.beneath(folder, OFlags::DIRECTORY)?
            }
            other => other?,
        };
        let fd = Rc::new(fd);
        self.parent = Some((folder.to_owned(), Rc::clone(&fd)));
        Ok((fd, name))
    }

    fn beneath(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let inside = match path.trim_start_matches('/') {
            "" => ".",
            inside => inside,
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
        Ok(rustix::fs::openat2(
            self.root()?,
            inside,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }

    fn file(&mut self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(mode))?;
        std::fs::File::from(fd).write_all(content)
    }

    /// A host file that vanished meanwhile, or that the job's user may not read, is left out: less is shown, not more.
    fn copy(&mut self, path: &str) -> io::Result<()> {
        match std::fs::read(path) {
            Ok(content) => self.file(path, &content, 0o644),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::symlinkat(target, &parent, name)?)
    }

    fn show(&mut self, source: &Path, target: &str) -> io::Result<()> {
        let tree = match self.opened.remove(source) {
            Some(tree) => tree,
            None => clone_tree(CWD, source)?,
        };
        sys::mount_attributes(
            tree.as_fd(),
            sys::ATTR_RDONLY | sys::ATTR_NOSUID | sys::ATTR_NODEV,
        )?;
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode);
        match kind {
            rustix::fs::FileType::Directory => self.folder(target, 0o755)?,
            _ => self.file(target, b"", 0o644)?,
        }
        // What is below a mount is another folder than before.
        self.parent = None;
        self.attach(&tree, target)
    }

    /// The file system is seen whole only until its folders are where they belong.
    fn scratch(&mut self, home: &str) -> io::Result<()> {
        let disk = self.opened.remove(Path::new(SCRATCH));
        let disk = disk.ok_or_else(|| io::Error::other("no scratch"))?;
        let place = "/run/assay/scratch";
        self.folder(place, 0o755)?;
        self.attach(&disk, place)?;
        for (folder, target) in scratch::shown(home) {
            let tree = clone_tree(self.root()?, &Path::new(&place[1..]).join(folder))?;
            self.attach(&tree, target)?;
        }
        // What is below a mount is another folder than before. The root is the working folder.
        self.parent = None;
        rustix::mount::unmount(&place[1..], UnmountFlags::DETACH)?;
        let (parent, name) = self.parent(place)?;
        Ok(rustix::fs::unlinkat(
            &parent,
            name,
            rustix::fs::AtFlags::REMOVEDIR,
        )?)
    }

    fn attach(&self, tree: &OwnedFd, target: &str) -> io::Result<()> {
        let place = self.beneath(target, OFlags::empty())?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(rustix::mount::move_mount(tree, "", &place, "", flags)?)
    }

    fn device(&mut self, name: &str) -> io::Result<()> {
        let target = format!("/dev/{name}");
        self.file(&target, b"", 0o644)?;
        let tree = clone_tree(CWD, Path::new(&target))?;
        self.attach(&tree, &target)
    }

    fn mount(&self, kind: &str, inside: &str, flags: MountFlags, data: &str) -> io::Result<()> {
        let data = std::ffi::CString::new(data)?;
        let flags = flags | MountFlags::NOSUID | MountFlags::NOEXEC;
        // An image may have a link there, and a path would follow it.
        let place = self.beneath(inside, OFlags::DIRECTORY)?;
        let place = format!("/proc/self/fd/{}", place.as_raw_fd());
        Ok(rustix::mount::mount(
            kind,
            place,
            kind,
            flags,
            Some(data.as_c_str()),
        )?)
    }

    /// `max` keeps one job from using up the host's terminals.
    fn terminals(&self) -> io::Result<()> {
        self.mount(
            "devpts",
            "/dev/pts",
            MountFlags::empty(),
            "newinstance,ptmxmode=0666,mode=0620,max=256",
        )
    }

    /// A second lock, beside the system call filter and the control group; hosts that refuse the write are none the
    /// worse.
    fn lower(&self, name: &str, value: &str) {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let path = format!("proc/sys/{name}");
        let opened = self
            .root()
            .and_then(|root| Ok(rustix::fs::openat(root, path, flags, Mode::empty())?));
        match opened {
            Ok(fd) => drop(rustix::io::write(&fd, value.as_bytes())),
            Err(error) => tracing::debug!(%error, name, "can't be lowered"),
        }
    }

    fn mask(&self, path: &str) -> io::Result<()> {
        match self.beneath(path, OFlags::empty()) {
            Ok(_) => self.attach(&clone_tree(CWD, Path::new("/dev/null"))?, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read_only(&self, path: &str) -> io::Result<()> {
        let tree = clone_tree(self.root()?, Path::new(path.trim_start_matches('/')))?;
        sys::mount_attributes(tree.as_fd(), sys::ATTR_RDONLY)?;
        self.attach(&tree, path)
    }

    fn pivot(&mut self) -> io::Result<()> {
        rustix::process::fchdir(self.root()?)?;
        rustix::process::pivot_root(".", ".")?;
        // The old root lies on the new one now. Where the new one is an overlay, the RAM root still lies on the old one.
        let layers = if self.ram.is_some() { 2 } else { 1 };
        for _ in 0..layers {
            rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        }
        rustix::process::chdir("/")?;
        *self = Builder::default();
        alone()
    }
}

/// Fails unless the root is the only mount at its place: an old root left there could be reached.
fn alone() -> io::Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let place = |line: &&str| line.split(' ').nth(4) == Some("/");
    match mounts.lines().filter(place).count() {
        1 => Ok(()),
        roots => Err(io::Error::other(format!("{roots} roots"))),
    }
}

/// A host folder, to be shown in a jail.
pub(crate) fn open(source: &Path) -> io::Result<OwnedFd> {
    clone_tree(CWD, source)
}

/// A copy of the mounts at and below `path`, attached nowhere yet.
fn clone_tree(at: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(rustix::mount::open_tree(at, path, flags)?)
}

/// The same without what is mounted below.
fn clone_one(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(rustix::mount::open_tree(CWD, path, flags)?)
}

fn tmpfs(size: u64, inodes: u64, huge: bool) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "size", size.to_string())?;
    rustix::mount::fsconfig_set_string(&context, "nr_inodes", inodes.to_string())?;
    rustix::mount::fsconfig_set_string(&context, "mode", "0755")?;
    if huge {
        // Ten times the speed for big files; small ones still take one page each.
        rustix::mount::fsconfig_set_string(&context, "huge", "within_size")?;
    }
    mount_nowhere(&context)
}

/// Mounts a new file system without set-uid bits and devices; only the descriptor leads to it.
pub(crate) fn mount_nowhere(context: &OwnedFd) -> io::Result<OwnedFd> {
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(rustix::mount::fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

fn namespaces(inside: u32) -> io::Result<()> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if uid == 0 || gid == 0 {
        return Err(io::Error::other("uid or gid 0 of the host is never mapped"));
    }
    sys::unshare(sys::jail_namespaces())?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{inside} {uid} 1\n"))?;
    std::fs::write("/proc/self/gid_map", format!("{inside} {gid} 1\n"))
}

fn loopback() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sys::loopback_up(socket.as_fd())
}

/// Whether the root, or the scratch where there is one, has hardly a byte or file left.
pub(crate) fn nearly_full(home: &str) -> bool {
    ["/", home].into_iter().any(|place| {
        let Ok(found) = rustix::fs::statvfs(place) else {
            return false;
        };
        let spare = (found.f_blocks / 256).min((1 << 20) / found.f_frsize.max(1));
        found.f_bavail <= spare || found.f_ffree <= 1
    })
}
