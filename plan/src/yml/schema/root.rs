//! The root of a file.

use super::job::{
    ARCHS, CONDITIONS, DIST, ENV, IMPORTS, JOB, JOBS, KEEP_NETRC, LANGUAGE, OSS, STACK, STAGES,
    SUDO, VAULT, VERSION, VM,
};
use super::languages::LISTS;
use super::notifications::NOTIFICATIONS;
use super::{BOOL, EVERYWHERE, Entry, STR, STRS, Schema, Support, key, map};

const LINUX: Support = Support {
    os: &["linux"],
    ..EVERYWHERE
};
const OSX: Support = Support {
    os: &["osx"],
    ..EVERYWHERE
};
const C: Support = Support {
    languages: &["c", "cpp"],
    ..EVERYWHERE
};

/// The whole language.
pub(in crate::yml) static ROOT: Schema = map(&[ROOT_KEYS, LISTS, JOB]);

const ROOT_KEYS: &[Entry] = &[
    key("language", &LANGUAGE),
    key("os", &OSS),
    key("dist", &DIST),
    key("arch", &ARCHS).only(LINUX),
    key("stack", &STACK),
    key("sudo", &SUDO).deprecated("The key `sudo` has no effect anymore."),
    key("import", &IMPORTS),
    key("env", &ENV),
    key("compiler", &STRS).only(C),
    key("osx_image", &STRS).only(OSX),
    key("stages", &STAGES),
    key("jobs", &JOBS).or(&["matrix"]),
    key("notifications", &NOTIFICATIONS).or(&["emails"]),
    key("version", &VERSION),
    key("vm", &VM),
    key("conditions", &CONDITIONS),
    key("filter_secrets", &BOOL),
    key("trace", &BOOL),
    key("perforce_test_path", &STR),
    key("vault", &VAULT),
    key("keep_netrc", &KEEP_NETRC),
];
