//! The inner steps: what the job's first process builds, for a view of the host and for an imported image.

use super::{DEVICE_LINKS, DEVICES, HOSTNAME, INSIDE, MASKED, Step, sudo};
use crate::host::{ETC_FILES, Host, Kind, TOPS};
use crate::image::Imported;
use crate::image::owners::Owners;
use crate::net::Names;
use crate::spec::{Image, Profile, RunSpec, lies_in};

/// Folders of an imported image that are always empty and in RAM: what the image has there means another system.
const FRESH: [(&str, u32); 3] = [("/dev", 0o755), ("/run", 0o1777), ("/tmp", 0o1777)];

/// All inner steps that don't depend on the job.
pub(super) fn steps(spec: &RunSpec, host: &Host, names: &Names) -> Vec<Step> {
    let mut steps = vec![
        Step::Loopback,
        Step::Hostname(HOSTNAME.to_owned()),
        Step::Root {
            size: spec.limits.disk,
            inodes: spec.limits.inodes,
        },
    ];
    match &spec.image {
        Image::Host { folders } => {
            steps.extend(folders_of_ram());
            steps.push(show("/usr"));
            for top in TOPS {
                steps.extend(mirrored(top, host));
            }
            steps.extend(etc(spec, host, names));
            steps.extend(folders.iter().map(|folder| Step::Show {
                source: folder.clone(),
                target: folder.to_string_lossy().into_owned(),
            }));
        }
        Image::Imported(image) => {
            steps.push(Step::Overlay(image.tree.clone()));
            steps.extend(FRESH.map(|(path, mode)| Step::Fresh(path.to_owned(), mode)));
            steps.extend(folders_of_ram());
            steps.extend(etc_of_image(spec, image, names));
        }
    }
    steps.extend(system(spec));
    steps.extend(sudo::steps(spec));
    steps.push(Step::Folder(spec.home.clone(), 0o755));
    steps
}

/// What depends on the job: what is shown, and the working folder. Where the builder isn't the job's user, folders are
/// handed over.
pub(super) fn late_steps(spec: &RunSpec) -> Vec<Step> {
    let mut steps = Vec::new();
    if spec.scratch.is_some() {
        steps.push(Step::Scratch(spec.home.clone()));
    }
    steps.extend(spec.binds.iter().map(|bind| Step::Show {
        source: bind.source.clone(),
        target: bind.target.clone(),
    }));
    steps.push(Step::Folder(spec.cwd.clone(), 0o755));
    steps.extend(handed_over(spec));
    steps.push(Step::Pivot);
    steps
}

fn folders_of_ram() -> Vec<Step> {
    let mut steps = vec![Step::Folder("/etc".into(), 0o755)];
    // In a job's own system the sockets of services stand in /run, and all of them are the job's.
    for path in ["/tmp", "/var/tmp", "/dev/shm", "/run"] {
        steps.push(Step::Folder(path.into(), 0o1777));
    }
    for path in ["/dev/pts", "/proc"] {
        steps.push(Step::Folder(path.into(), 0o755));
    }
    steps
}

/// Devices, terminals, `/proc`.
fn system(spec: &RunSpec) -> Vec<Step> {
    let mut steps: Vec<Step> = DEVICES
        .iter()
        .map(|name| Step::Device((*name).to_owned()))
        .collect();
    steps.push(Step::Terminals);
    steps.extend(
        DEVICE_LINKS
            .iter()
            .map(|(path, to)| Step::Link((*path).to_owned(), (*to).to_owned())),
    );
    steps.push(Step::Processes);
    steps.push(Step::NoNamespaces);
    steps.push(Step::Ipc(spec.limits.memory));
    steps.extend(MASKED.iter().map(|path| Step::Mask((*path).to_owned())));
    steps.push(Step::ReadOnly("/proc/sys".into()));
    steps
}

fn handed_over(spec: &RunSpec) -> Vec<Step> {
    if !hands_over(spec) {
        return Vec::new();
    }
    let mut places = vec![spec.home.clone()];
    let mut place = spec.home.clone();
    let below = spec
        .cwd
        .strip_prefix(&spec.home)
        .filter(|rest| rest.starts_with('/'));
    match below {
        Some(below) => {
            for part in below.split('/').filter(|part| !part.is_empty()) {
                place = format!("{place}/{part}");
                places.push(place.clone());
            }
        }
        None => places.push(spec.cwd.clone()),
    }
    places.dedup();
    places
        .into_iter()
        .map(|place| Step::Own(place, INSIDE))
        .collect()
}

/// Whether the jail is built by uid 0 of a range, and the job is somebody else.
fn hands_over(spec: &RunSpec) -> bool {
    match &spec.image {
        Image::Host { .. } => false,
        Image::Imported(image) => {
            spec.profile == Profile::Strict && !matches!(image.owners(), Owners::Flat { .. })
        }
    }
}

fn show(path: &str) -> Step {
    Step::Show {
        source: path.into(),
        target: path.to_owned(),
    }
}

/// The same entry inside as on the host: folders shown, links made anew, files copied.
fn mirrored(path: &str, host: &Host) -> Option<Step> {
    Some(match host.get(path)? {
        Kind::Folder => show(path),
        Kind::File => Step::Copy(path.to_owned()),
        Kind::Link(to) if leads_somewhere(path, to) => Step::Link(path.to_owned(), to.clone()),
        Kind::Link(_) => Step::Copy(path.to_owned()),
    })
}

/// Whether a link's target is shown inside too; else its content is copied.
fn leads_somewhere(path: &str, to: &str) -> bool {
    match to.starts_with('/') {
        true => lies_in(to, "/usr"),
        false => {
            !path.starts_with("/etc/") || to.starts_with("../usr/") || to.starts_with("../../usr/")
        }
    }
}

const SHELL: &str = "/bin/bash";

fn hosts(names: &Names) -> String {
    let mut text =
        format!("127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (address, name) in &names.hosts {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

/// `/etc`: the host's allow list, and what is written for the job.
fn etc(spec: &RunSpec, host: &Host, names: &Names) -> Vec<Step> {
    let mut steps = Vec::new();
    for (path, kind) in host {
        let folder = *kind == Kind::Folder;
        if path.starts_with("/etc/") && (folder || ETC_FILES.contains(&path.as_str())) {
            steps.extend(mirrored(path, host));
        }
    }
    let (user, home) = (&spec.user, &spec.home);
    let written = [
        (
            "/etc/passwd",
            format!(
                "root:x:0:0:root:/root:/usr/sbin/nologin\n{user}:x:{INSIDE}:{INSIDE}:{user}:{home}:{SHELL}\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("/etc/group", format!("root:x:0:\ntty:x:5:\n{user}:x:{INSIDE}:\nnogroup:x:65534:\n")),
        ("/etc/hosts", hosts(names)),
        ("/etc/hostname", format!("{HOSTNAME}\n")),
        ("/etc/resolv.conf", names.resolver.clone()),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
             services: files\nethers: files\nrpc: files\n"
                .to_owned(),
        ),
    ];
    steps.extend(written.map(|(path, text)| Step::File(path.to_owned(), text)));
    steps.push(Step::Link("/etc/mtab".into(), "/proc/self/mounts".into()));
    steps
}

/// The same few files of an image, written anew; its other users and groups stay.
fn etc_of_image(spec: &RunSpec, image: &Imported, names: &Names) -> Vec<Step> {
    let (user, home) = (&spec.user, &spec.home);
    let users = others(&image.passwd, user, "root:x:0:0:root:/root:/bin/sh\n");
    let groups = others(&image.group, user, "root:x:0:\ntty:x:5:\n");
    let written = [
        (
            "/etc/passwd",
            format!("{users}{user}:x:{INSIDE}:{INSIDE}:{user}:{home}:{SHELL}\n"),
        ),
        ("/etc/group", format!("{groups}{user}:x:{INSIDE}:\n")),
        ("/etc/hosts", hosts(names)),
        ("/etc/hostname", format!("{HOSTNAME}\n")),
        ("/etc/resolv.conf", names.resolver.clone()),
    ];
    written
        .map(|(path, text)| Step::Replace(path.to_owned(), text))
        .to_vec()
}

/// All lines that speak neither of `user` nor of its number; `default` when there are none.
fn others(text: &str, user: &str, default: &str) -> String {
    let number = INSIDE.to_string();
    let mut kept = String::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let id = fields.nth(1).unwrap_or_default();
        if name != user && id != number && !line.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    match kept.is_empty() {
        true => default.to_owned(),
        false => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_other_users_stay() {
        let passwd = "root:x:0:0::/root:/bin/sh\ntravis:x:2000:2000::/h:/bin/sh\nubuntu:x:1000:1000::/u:/bin/sh\n\n";
        assert_eq!(
            others(passwd, "travis", "none"),
            "root:x:0:0::/root:/bin/sh\n"
        );
        assert_eq!(others("", "travis", "none\n"), "none\n");
    }
}
