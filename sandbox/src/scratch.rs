//! Room on a disk for jobs that are bigger than memory. What is on the disk can't be read by anybody, then or later.
//!
//! A file without a name, in it a file system that is as large as the job's room, behind a loop device that goes when it is
//! unmounted. Contents and names of files are encrypted by the file system (fscrypt) with a key from the kernel's random
//! numbers, which is in the memory of this process for a moment, then in the kernel's, and ends with the mount. Sizes and
//! times of files are not hidden. All of it is held by descriptors and by the jail: however this process and the jail end,
//! nothing is left to be cleaned up.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FallocateFlags, Gid, Mode, OFlags, Uid};
use rustix::mount::FsOpenFlags;
use zeroize::Zeroizing;

use crate::error::RunError;
use crate::{apply, sys};

/// What makes the file system.
const MAKER: &str = "mkfs.ext4";
/// Where the kernel says that it knows encrypted folders.
const FEATURE: &str = "/sys/fs/ext4/features/encryption";
/// Where loop devices come from.
const LOOPS: &str = "/dev/loop-control";
/// The encrypted folder of the file system; its root can't be one.
const INNER: &str = "inner";
/// Folders in it: name and mode.
const FOLDERS: [(&str, u32); 3] = [("home", 0o755), ("tmp", 0o1777), ("var-tmp", 0o1777)];
/// Another process may take the loop device that was free a moment ago.
const TRIES: usize = 20;

/// Room on a disk of the host, encrypted: the job's home, `/tmp` and `/var/tmp` are there instead of in memory. Only for a
/// root caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// Folder of the host on that disk.
    pub folder: PathBuf,
    /// Bytes, taken when the run starts.
    pub bytes: u64,
}

/// A made scratch. Dropped when its run is over, so that what was not yet written to the disk never is.
#[derive(Debug)]
pub(crate) struct Disk(OwnedFd);

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = sys::shut_down(self.0.as_fd()) {
            tracing::debug!(%error, "a scratch is written out before it goes");
        }
    }
}

impl Disk {
    /// For the jail: the file system's root.
    pub(crate) fn tree(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

impl Scratch {
    /// What is missing on this host for any of it, in words with advice.
    pub fn missing() -> Option<&'static str> {
        missing()
    }
}

/// Where its folders are shown.
pub(crate) fn folders(home: &str) -> [&str; 3] {
    [home, "/tmp", "/var/tmp"]
}

/// What is shown where.
pub(crate) fn shown(home: &str) -> impl Iterator<Item = (String, &str)> {
    let names = FOLDERS.iter().map(|(name, _)| format!("{INNER}/{name}"));
    names.zip(folders(home))
}

/// What is missing on this host, in words with advice.
pub(crate) fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some(
            "only a daemon that runs as root can mount an encrypted file system; leave `sandbox.scratch` out, and jobs have \
             memory only",
        );
    }
    if !Path::new(FEATURE).exists() {
        return Some(
            "the kernel's ext4 knows no encryption (CONFIG_FS_ENCRYPTION), or /sys is not mounted",
        );
    }
    if !Path::new(LOOPS).exists() {
        return Some("there are no loop devices (/dev/loop-control)");
    }
    let folders = MAKER_FOLDERS.split(':').map(Path::new);
    if !folders
        .into_iter()
        .any(|folder| folder.join(MAKER).exists())
    {
        return Some("mkfs.ext4 is not installed (package e2fsprogs)");
    }
    None
}

/// Where the program that makes the file system is looked for.
const MAKER_FOLDERS: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// Makes one, whose folders belong to this uid and gid of the host.
pub(crate) fn make(scratch: &Scratch, owner: u32) -> Result<Disk, RunError> {
    let failed = |step: &str| {
        let step = format!(
            "{step} (scratch of {} MiB in {})",
            scratch.bytes >> 20,
            scratch.folder.display()
        );
        move |source| RunError::Setup {
            promise: "encryption of what is on the disk".to_owned(),
            step,
            source,
        }
    };
    if let Some(missing) = missing() {
        return Err(failed("look at the host")(io::Error::other(missing)));
    }
    let file = space(scratch).map_err(failed("take the space"))?;
    format(&file).map_err(failed("make the file system"))?;
    let (device, path) = attach(&file).map_err(failed("attach a loop device"))?;
    let root = mount(&path).map_err(failed("mount the file system"))?;
    drop((device, file));
    let disk = Disk(root);
    encrypt(&disk.0, owner).map_err(failed("encrypt the file system"))?;
    Ok(disk)
}

/// A file without a name.
fn space(scratch: &Scratch) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&scratch.folder, flags, Mode::from_raw_mode(0o600))?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, scratch.bytes)?;
    Ok(file.into())
}

fn format(file: &File) -> io::Result<()> {
    // No journal: nobody will mount it again. Checksums, so that tables may stay unwritten.
    let output = Command::new(MAKER)
        .args([
            "-q",
            "-F",
            "-m",
            "0",
            "-O",
            "encrypt,metadata_csum,^has_journal,^resize_inode",
        ])
        .args(["-E", "lazy_itable_init=1,nodiscard"])
        .arg(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            file.as_raw_fd()
        ))
        .env_clear()
        .env("PATH", MAKER_FOLDERS)
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!(
                "{MAKER}: {}",
                words.trim().replace('\n', "; ")
            )))
        }
    }
}

/// The device keeps itself alive while something is mounted from it, no longer.
fn attach(file: &File) -> io::Result<(OwnedFd, String)> {
    let open = |path: &str| rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let control = open(LOOPS)?;
    for _ in 0..TRIES {
        let path = format!("/dev/loop{}", sys::free_loop(control.as_fd())?);
        let device = open(&path)?;
        match sys::configure_loop(device.as_fd(), file.as_fd()) {
            Ok(()) => return Ok((device, path)),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Mounted nowhere: only descriptors lead to it.
fn mount(device: &str) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "source", device)?;
    // The space reads as zeros already.
    rustix::mount::fsconfig_set_flag(&context, "noinit_itable")?;
    apply::mount_nowhere(&context)
}

/// Everything below the inner folder is encrypted from here on.
fn encrypt(root: &OwnedFd, owner: u32) -> io::Result<()> {
    let mut key = Zeroizing::new([0_u8; sys::KEY]);
    let mut filled = 0;
    while filled < key.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut key[filled..], flags)?;
    }
    let folder = |at: &OwnedFd, name: &str| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(at, name, flags, Mode::empty())
    };
    let top = folder(root, ".")?;
    let name = sys::add_encryption_key(top.as_fd(), &key)?;
    rustix::fs::mkdirat(&top, INNER, Mode::from_raw_mode(0o755))?;
    let inner = folder(&top, INNER)?;
    sys::set_encryption_policy(inner.as_fd(), &name)?;
    for (name, mode) in FOLDERS {
        rustix::fs::mkdirat(&inner, name, Mode::from_raw_mode(0o700))?;
        let made = folder(&inner, name)?;
        rustix::fs::fchown(
            &made,
            Some(Uid::from_raw(owner)),
            Some(Gid::from_raw(owner)),
        )?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}
