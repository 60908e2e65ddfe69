//! The few system calls that no safe library offers. The only module with `unsafe`.
#![expect(unsafe_code, reason = "raw system calls; each states why it is sound")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Uid};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Mount attributes, from `linux/mount.h`.
pub(crate) const ATTR_RDONLY: u64 = 0x1;
pub(crate) const ATTR_NOSUID: u64 = 0x2;
pub(crate) const ATTR_NODEV: u64 = 0x4;
const ATTR_IDMAP: u64 = 0x0010_0000;

/// An ordinary uid that no one has: the first that jobs get by default.
pub(crate) const SOME_UID: u32 = 1_800_000_000;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Whether this process has no second thread, as far as can be seen.
pub(crate) fn is_single_threaded() -> bool {
    // The folder of threads has two links of its own and one for each thread.
    !std::fs::metadata("/proc/self/task").is_ok_and(|tasks| tasks.nlink() != 3)
}

/// Splits the process. `None` in the child. Refused when other threads exist: the child would inherit their locks.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    if !is_single_threaded() {
        return Err(io::Error::other("process has threads"));
    }
    // SAFETY: the process has a single thread, so the child's copy of memory and locks is consistent.
    let pid = check(unsafe { libc::fork() }.into())?;
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw))
}

/// Runs `body` in a child process, which ends with what it returns. Refused when other threads exist.
pub(crate) fn spawn(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    match fork()? {
        Some(pid) => Ok(pid),
        None => {
            let status = body();
            // SAFETY: ends the process at once; nothing of the parent's is flushed or run twice.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Leaves the namespaces named by `flags`.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: unsound only for the descriptor table of other threads (`FILES`), which no caller passes.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Sets mount attributes on a tree of mounts, and makes it receive no mounts from elsewhere.
pub(crate) fn mount_attributes(tree: BorrowedFd<'_>, set: u64) -> io::Result<()> {
    change_mounts(tree, set, None)
}

/// The same, and shifts the owners of all files into the range of a user namespace.
pub(crate) fn shift_owners(
    tree: BorrowedFd<'_>,
    set: u64,
    namespace: BorrowedFd<'_>,
) -> io::Result<()> {
    change_mounts(tree, set | ATTR_IDMAP, Some(namespace))
}

fn change_mounts(
    tree: BorrowedFd<'_>,
    set: u64,
    namespace: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        userns: u64,
    }
    let attr = MountAttr {
        set,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        userns: namespace.map_or(0, |fd| fd.as_raw_fd().unsigned_abs().into()),
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a zero-terminated literal, and the kernel reads exactly `size_of` bytes of `attr`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    check(result).map(drop)
}

/// `LOOP_CTL_GET_FREE`: the number of a loop device that isn't used.
pub(crate) fn free_loop(control: BorrowedFd<'_>) -> io::Result<i64> {
    // SAFETY: takes no argument.
    check(unsafe { libc::ioctl(control.as_raw_fd(), 0x4C82) }.into())
}

/// `LOOP_CONFIGURE`: puts a file behind a loop device, which lets go of it when its last user does.
pub(crate) fn configure_loop(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    const AUTOCLEAR: u32 = 4;
    // `struct loop_config`: the file first, `lo_flags` of `struct loop_info64` from 8 on, everything else zero.
    let mut config = [0_u8; 304];
    config[..4].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
    config[8 + 52..8 + 56].copy_from_slice(&AUTOCLEAR.to_ne_bytes());
    // SAFETY: the kernel reads exactly the 304 bytes of that structure.
    check(unsafe { libc::ioctl(device.as_raw_fd(), 0x4C0A, config.as_ptr()) }.into()).map(drop)
}

/// Bytes of a key for a file system.
pub(crate) const KEY: usize = 64;

/// `FS_IOC_ADD_ENCRYPTION_KEY`: gives a key to a file system; returns the name by which policies call it.
pub(crate) fn add_encryption_key(root: BorrowedFd<'_>, key: &[u8; KEY]) -> io::Result<[u8; 16]> {
    const IDENTIFIER: u32 = 2;
    // `struct fscrypt_add_key_arg`: kind of name, the name (which the kernel writes) from 8 on, the key's length at 40, the
    // key behind it all.
    let mut order = zeroize::Zeroizing::new([0_u8; 80 + KEY]);
    order[..4].copy_from_slice(&IDENTIFIER.to_ne_bytes());
    order[40..44].copy_from_slice(&64_u32.to_ne_bytes());
    order[80..].copy_from_slice(key);
    // SAFETY: the kernel reads the 80 bytes of that structure and the key's length behind it, and writes the name.
    check(unsafe { libc::ioctl(root.as_raw_fd(), 0xC050_6617, order.as_mut_ptr()) }.into())?;
    let mut name = [0; 16];
    name.copy_from_slice(&order[8..24]);
    Ok(name)
}

/// `FS_IOC_SET_ENCRYPTION_POLICY`: everything in this empty folder is encrypted with that key from here on; contents with
/// AES-256-XTS, names with AES-256-CTS, padded to 32 bytes.
pub(crate) fn set_encryption_policy(folder: BorrowedFd<'_>, key: &[u8; 16]) -> io::Result<()> {
    // `struct fscrypt_policy_v2`.
    let mut policy = [0_u8; 24];
    policy[..4].copy_from_slice(&[2, 1, 4, 3]);
    policy[8..].copy_from_slice(key);
    // SAFETY: the kernel reads the 24 bytes of that structure.
    check(unsafe { libc::ioctl(folder.as_raw_fd(), 0x800C_6613, policy.as_ptr()) }.into()).map(drop)
}

/// `EXT4_IOC_SHUTDOWN`: nothing is written to that file system any more.
pub(crate) fn shut_down(root: BorrowedFd<'_>) -> io::Result<()> {
    // Without writing out first.
    let flags = 2_u32;
    let top = rustix::fs::openat(
        root,
        ".",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    // SAFETY: the kernel reads four bytes.
    check(unsafe { libc::ioctl(top.as_raw_fd(), 0x8004_587D, &raw const flags) }.into()).map(drop)
}

/// Closes every descriptor from `first` up.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called only by the launcher before it owns any descriptor from `first` up.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Marks every descriptor from `first` up to be closed by exec.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: changes a flag of descriptors, closes none.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
    .map(drop)
}

/// Takes over the descriptor `number` that the parent process left open for us.
pub(crate) fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: only borrowed for the duplication, which fails for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?)
}

/// Brings up the interface `lo` of the present network namespace.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: libc::c_short,
        rest: [u8; 22],
    }
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: 0,
        rest: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: `Request` has the size and layout of the kernel's `ifreq` (40 bytes), which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(result.into()).map(drop)
}

/// Gives up the controlling terminal without the hang-up that would throw away output not yet read.
pub(crate) fn leave_terminal(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request has no argument.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) }.into()).map(drop)
}

/// Sends a signal to every other process of this process namespace; only for its first process.
pub(crate) fn signal_everyone(signal: i32) {
    // SAFETY: takes no memory. With nobody left it fails, which is as well.
    unsafe { libc::kill(-1, signal) };
}

/// A descriptor that becomes readable when a child changes state. Blocks the signal's usual delivery.
pub(crate) fn child_events() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set before the other calls read it; all of them only touch the set.
    let fd = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()).into())?;
        check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into())?
    };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts every signal back to its default and unblocks all: what a fresh program expects.
pub(crate) fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: installs no handler. Numbers that can't be changed are refused, which is as well.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set that `sigprocmask` reads.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// Ignores the signal that stops a background process which takes over its terminal.
pub(crate) fn ignore_terminal_stop() {
    // SAFETY: installs no handler.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
}

/// A file that grows past its limit is an error of the write, not a signal.
#[cfg(feature = "wasm")]
pub(crate) fn ignore_file_size_signal() {
    // SAFETY: installs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Ends the process at once: nothing is flushed, no thread is waited for.
#[cfg(feature = "wasm")]
pub(crate) fn end_process(code: i32) -> ! {
    // SAFETY: never returns, and touches nothing of this process' memory.
    unsafe { libc::_exit(code) }
}

/// A native image of a core module.
///
/// The bytes must be what the same version of the engine compiled: they become code of this process.
#[cfg(feature = "wasm")]
pub(crate) fn load_module(
    engine: &wasmtime::Engine,
    bytes: &[u8],
) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the only caller passes what the daemon answered; the daemon has it from the compiling process, or from its
    // own folder, where it is kept with a checksum under the engine's version.
    unsafe { wasmtime::Module::deserialize(engine, bytes) }
}

/// The same for a component.
#[cfg(feature = "wasm")]
pub(crate) fn load_component(
    engine: &wasmtime::Engine,
    bytes: &[u8],
) -> wasmtime::Result<wasmtime::component::Component> {
    // SAFETY: as for `load_module`.
    unsafe { wasmtime::component::Component::deserialize(engine, bytes) }
}

/// What a process and everything it waited for has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// CPU time, microseconds.
    pub(crate) cpu_us: u64,
    /// Bytes read from disks.
    pub(crate) read: u64,
    /// Bytes written to disks.
    pub(crate) written: u64,
}

/// Waits for the child `pid`; returns what it used.
pub(crate) fn wait_for(pid: Pid) -> io::Result<Spent> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: `usage` is a place for one `rusage`; the status is not asked for.
        let got = unsafe {
            libc::wait4(
                pid.as_raw_pid(),
                std::ptr::null_mut(),
                libc::__WALL,
                usage.as_mut_ptr(),
            )
        };
        match check(got.into()) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // SAFETY: zeroed is a valid `rusage`, and the kernel has filled it since.
    let usage = unsafe { usage.assume_init() };
    let micros = |t: libc::timeval| u64::try_from(t.tv_sec * 1_000_000 + t.tv_usec).unwrap_or(0);
    // The kernel counts disks in blocks of 512 bytes.
    let bytes = |blocks: libc::c_long| u64::try_from(blocks).unwrap_or(0).saturating_mul(512);
    Ok(Spent {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        read: bytes(usage.ru_inblock),
        written: bytes(usage.ru_oublock),
    })
}

/// Creates the jail's namespaces in a process that ends at once, and uses a right there that only a working user
/// namespace gives.
pub(crate) fn try_namespaces() -> io::Result<()> {
    let mut command = std::process::Command::new("/proc/self/exe");
    let root = rustix::process::geteuid().is_root();
    let try_out = move || {
        if root {
            // Jobs of a root daemon make their namespaces as an ordinary user too.
            let uid = Uid::from_raw(SOME_UID);
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        unshare(jail_namespaces())?;
        rustix::system::sethostname(b"assay")?;
        // Never goes on to execute anything: this error tells success.
        Err(io::Error::from_raw_os_error(libc::ECANCELED))
    };
    // SAFETY: between fork and exec only a few system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(try_out) };
    match command.spawn() {
        Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Ok(()),
        Err(error) => Err(error),
        Ok(mut child) => child.kill().and_then(|()| child.wait()).map(drop),
    }
}

/// All namespaces of a jail.
pub(crate) fn jail_namespaces() -> UnshareFlags {
    UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP
}

/// The Landlock version the kernel offers; 0 for none.
pub(crate) fn landlock_version() -> u32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes a null attribute of size 0 and only returns a number.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(result).unwrap_or(0)
}

/// Whether the kernel can answer a forbidden system call with an error number.
pub(crate) fn seccomp_works() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel only reads the four bytes of `action`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    result == 0
}

/// Watches a descriptor from async code, for reading.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch_for(fd, Interest::READABLE)
}

/// Watches a descriptor from async code.
pub(crate) fn watch_for(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` returns the same open descriptor for as long as it lives, and the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// For `poll`: a descriptor borrowed for as long as its owner.
pub(crate) fn readable(fd: &impl AsFd) -> rustix::event::PollFd<'_> {
    rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)
}
