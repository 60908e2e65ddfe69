//! Takes rights away from the present process: capabilities, limits, Landlock, system calls. Nothing here comes back.

use std::io;
#[cfg(feature = "wasm")]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(feature = "wasm")]
use landlock::AccessNet;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::BpfProgram;

use crate::userns;
use crate::wire::Job;

/// Most descriptors a job's process starts out with; it may raise this to the inherited hard limit.
const FILES: u64 = 16_384;

/// What the root profile keeps: enough for package managers, all of it inside the job's own user namespace.
const RIGHTS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Leaves the job what its profile has: nothing, or the few rights of root. Makes sure that exec can't bring more, and
/// becomes the job's user, where that is another.
pub(crate) fn settle_rights(job: &Job) -> io::Result<()> {
    let kept = if job.rights {
        RIGHTS
    } else {
        CapabilitySet::empty()
    };
    bound(kept)?;
    if let Some(id) = job.user {
        userns::become_id(id)?;
    }
    hold(kept)
}

/// For work outside of namespaces: becomes this uid, where the caller is root, and keeps no right at all.
#[cfg(feature = "wasm")]
pub(crate) fn give_up(user: Option<u32>) -> io::Result<()> {
    if let Some(id) = user {
        bound(CapabilitySet::empty())?;
        userns::become_id(id)?;
    }
    hold(CapabilitySet::empty())
}

/// Per-process limits of a process that runs or compiles WASI programs: bytes of private memory, of one file, and
/// seconds of CPU time.
#[cfg(feature = "wasm")]
pub(crate) fn limit_process(memory: Option<u64>, file: u64, cpu: Option<u64>) -> io::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, file)?;
    for (resource, value) in [(Resource::Data, memory), (Resource::Cpu, cpu)] {
        if let Some(value) = value {
            limit(resource, value)?;
        }
    }
    Ok(())
}

/// As far as the kernel has it: files only beneath the first folder, reading also beneath the others, no TCP, no signals
/// and no abstract sockets outside.
#[cfg(feature = "wasm")]
pub(crate) fn landlock_beneath(
    folder: Option<BorrowedFd<'_>>,
    readable: &[OwnedFd],
) -> io::Result<()> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let all = AccessFs::from_all(ABI::V5);
    let write =
        all & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let rules = folder
        .into_iter()
        .map(|fd| PathBeneath::new(fd, write & !BitFlags::from(AccessFs::Execute)))
        .chain(readable.iter().map(|fd| PathBeneath::new(fd.as_fd(), read)))
        .map(Ok::<_, landlock::RulesetError>);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(|created| created.add_rules(rules))
        .and_then(|rules| rules.restrict_self())
        .map(drop)
        .map_err(|e| other(&e))
}

/// Takes all but these out of the bounding set.
fn bound(kept: CapabilitySet) -> io::Result<()> {
    for number in 0..64 {
        let Some(one) = 1u64
            .checked_shl(number)
            .map(CapabilitySet::from_bits_retain)
        else {
            break;
        };
        if kept.contains(one) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Beyond the last one this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Empties the sets that count now, for a process that will execute nothing.
pub(crate) fn drop_present_capabilities() -> io::Result<()> {
    hold(CapabilitySet::empty())
}

/// What the first process of the root profile needs once the command runs: to end processes of all its users.
pub(crate) fn keep_only_kill() -> io::Result<()> {
    hold(CapabilitySet::KILL)
}

/// What a jail's first process needs while root of the jail works: to end that, and to become the job's user.
pub(crate) fn keep_to_settle() -> io::Result<()> {
    hold(
        CapabilitySet::KILL
            .union(CapabilitySet::SETUID)
            .union(CapabilitySet::SETGID)
            .union(CapabilitySet::SETPCAP),
    )
}

fn hold(kept: CapabilitySet) -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Per-process limits; memory and processes only where no control group counts them.
pub(crate) fn limit_resources(job: &Job) -> io::Result<()> {
    limit(Resource::Core, 0)?;
    let files = rustix::process::getrlimit(Resource::Nofile);
    let soft = files.maximum.map_or(FILES, |hard| hard.min(FILES));
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(soft),
            maximum: files.maximum,
        },
    )?;
    if let Some(bytes) = job.memory {
        limit(Resource::Data, bytes)?;
    }
    if let Some(count) = job.processes {
        // The namespace's first process counts too.
        limit(Resource::Nproc, count.saturating_add(1))?;
    }
    Ok(())
}

/// Lowers the hard limit too; never above what was inherited, which would be refused.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let hard = rustix::process::getrlimit(resource).maximum;
    let value = hard.map_or(value, |hard| hard.min(value));
    Ok(rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )?)
}

/// A second lock beside the others, as far as the kernel has it: no mounts, no device files, no signals and no abstract
/// sockets outside the job.
pub(crate) fn landlock() -> io::Result<()> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let all = AccessFs::from_all(ABI::V5);
    let granted: BitFlags<AccessFs> = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let root = PathFd::new("/").map_err(|e| other(&e))?;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rule(PathBeneath::new(root, granted)))
        .and_then(|rules| rules.restrict_self())
        .map(drop)
        .map_err(|e| other(&e))
}

/// What a network helper that has no cage of its own may touch: programs and libraries, facts about processes, its
/// device, and where the host's name servers are written. The rest of the host's files is closed to it.
pub(crate) fn helper_files() -> io::Result<()> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let all = AccessFs::from_all(ABI::V5);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let places = [
        ("/usr", AccessFs::from_read(ABI::V5)),
        ("/lib", AccessFs::from_read(ABI::V5)),
        ("/lib64", AccessFs::from_read(ABI::V5)),
        ("/bin", AccessFs::from_read(ABI::V5)),
        ("/proc", AccessFs::from_read(ABI::V5)),
        ("/etc/ld.so.cache", AccessFs::ReadFile.into()),
        ("/etc/resolv.conf", AccessFs::ReadFile.into()),
        ("/dev/net/tun", device),
        ("/dev/null", device),
    ];
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(Ruleset::create)
        .map_err(|e| other(&e))?;
    for (path, access) in places {
        // What a host hasn't needs no rule.
        if let Ok(place) = PathFd::new(path) {
            rules = rules
                .add_rule(PathBeneath::new(place, access))
                .map_err(|e| other(&e))?;
        }
    }
    rules.restrict_self().map(drop).map_err(|e| other(&e))
}

/// Turns the system call filter on.
pub(crate) fn filter_calls(filter: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(filter).map_err(|error| io::Error::other(error.to_string()))
}
