//! From the YAML tree of `assay.yml` to [`Config`]: every key, its form, its default, and the rules between keys.

use std::collections::{BTreeMap, BTreeSet};

use assay_plan::Visibility;
use serde_yaml::Value;

use super::form::{
    PROFILES, address, choice, consent, count, flag, host_name, image_choice, list, number, path,
    scratch, size, size_or_none, slug, small, span, span_above_zero, web,
};
use super::reader::{Problems, Section};
use super::{
    Access, AccessMode, Artifacts, Caches, Config, DEFAULT_LISTEN, DebugSessions, Host, Images,
    Limits, Log, LogFormat, LogLevel, Reach, Reconcile, RepositoryEntry, Required, Sandbox,
    Shutdown, Size, Span, Tls, Unsupported, Versions, Wasm, slug_of,
};

/// First uid of those jobs run as, as of the default.
const UIDS: u32 = 1_800_000_000;
/// Uids below this one belong to people and to services.
const FIRST_FREE_UID: u32 = 65_536;
/// More jobs at once than any host has a use for.
const MOST_JOBS: u64 = 4096;

/// Reads the whole tree. What is wrong goes to `problems`, and a default takes its place.
pub(super) fn read(value: Value, problems: &Problems, host: Host) -> Config {
    let mut root = Section::root(problems, value);
    let listen = root.get("listen", address).unwrap_or(DEFAULT_LISTEN);
    let insecure = root.get("insecure", flag).unwrap_or(false);
    let tls = read_tls(&mut root);
    if !listen.ip().is_loopback() && tls.is_none() && !insecure && !root.has("tls") {
        root.problem(
            "listen",
            format!("{listen} is not a loopback address and would be plain HTTP; set tls, or insecure: true"),
        );
    }
    let jobs = root.get("jobs", |value| count(value, MOST_JOBS));
    let jobs = jobs.unwrap_or(host.cores).max(1);
    let config = Config {
        listen,
        insecure,
        tls,
        web: root.get("web", web),
        state: root.get("state", path),
        access: read_access(&mut root),
        jobs,
        limits: read_limits(&mut root, host.memory / 2 / (jobs as u64)),
        sandbox: read_sandbox(&mut root),
        images: read_images(&mut root),
        caches: read_caches(&mut root),
        artifacts: read_artifacts(&mut root),
        debug: read_debug(&mut root),
        shutdown: read_shutdown(&mut root),
        reconcile: read_reconcile(&mut root),
        versions: root
            .get("versions", |value| {
                choice(
                    value,
                    &[("exact", Versions::Exact), ("nearest", Versions::Nearest)],
                )
            })
            .unwrap_or(Versions::Exact),
        unsupported: root
            .get("unsupported", |value| {
                choice(
                    value,
                    &[("error", Unsupported::Error), ("skip", Unsupported::Skip)],
                )
            })
            .unwrap_or_default(),
        repositories: read_repositories(&mut root),
        log: read_log(&mut root),
    };
    root.finish();
    config
}

fn read_tls(root: &mut Section<'_>) -> Option<Tls> {
    let given = root.has("tls");
    let mut section = root.section("tls");
    let (cert, key) = (section.get("cert", path), section.get("key", path));
    if given {
        for name in ["cert", "key"] {
            if !section.has(name) {
                section.fault(format!("{name} is missing: a PEM file"));
            }
        }
    }
    section.finish();
    Some(Tls {
        cert: cert?,
        key: key?,
    })
}

fn read_access(root: &mut Section<'_>) -> Access {
    let mut section = root.section("access");
    let modes = [
        ("org", AccessMode::Org),
        ("public", AccessMode::Public),
        ("private", AccessMode::Private),
    ];
    let mode = section
        .get("mode", |value| choice(value, &modes))
        .unwrap_or(AccessMode::Private);
    section.finish();
    Access { mode }
}

fn read_limits(root: &mut Section<'_>, memory: u64) -> Limits {
    let mut section = root.section("limits");
    let memory = section
        .get("memory", size)
        .unwrap_or_else(|| whole_mebibytes(memory));
    let limits = Limits {
        time: section
            .get("time", span_above_zero)
            .unwrap_or(Span::seconds(50 * 60)),
        silence: section
            .get("silence", span_above_zero)
            .unwrap_or(Span::seconds(10 * 60)),
        grace: section.get("grace", span).unwrap_or(Span::seconds(10)),
        memory,
        processes: section
            .get("processes", |value| number(value, 1, u64::from(u32::MAX)))
            .unwrap_or(4096),
        disk: section
            .get("disk", size)
            .unwrap_or_else(|| whole_mebibytes(memory.bytes() / 4 * 3)),
        files: section
            .get("files", |value| number(value, 1, u64::from(u32::MAX)))
            .unwrap_or(500_000),
        log: section.get("log", size).unwrap_or(Size::of(4_500_000)),
        weight: section
            .get("weight", |value| small(value, 1, 1000))
            .unwrap_or(20),
    };
    section.finish();
    limits
}

fn read_sandbox(root: &mut Section<'_>) -> Sandbox {
    let mut section = root.section("sandbox");
    let names = [
        ("memory", Required::Memory),
        ("processes", Required::Processes),
    ];
    let most = u32::MAX - u32::try_from(MOST_JOBS).unwrap_or(u32::MAX) - 2;
    let sandbox = Sandbox {
        uids: section
            .get("uids", |value| small(value, FIRST_FREE_UID, most))
            .unwrap_or(UIDS),
        folders: section
            .get("folders", |value| list(value, path))
            .unwrap_or_default(),
        require: section
            .get("require", |value| list(value, |item| choice(item, &names)))
            .unwrap_or_default(),
        network: section
            .get("network", |value| {
                choice(value, &[("none", Reach::None), ("egress", Reach::Egress)])
            })
            .unwrap_or(Reach::Egress),
        hosts: section
            .get("hosts", |value| list(value, host_name))
            .unwrap_or_default(),
        scratch: section.get("scratch", scratch),
        wasm: read_wasm(&mut section),
    };
    section.finish();
    sandbox
}

fn read_wasm(sandbox: &mut Section<'_>) -> Wasm {
    let mut section = sandbox.section("wasm");
    let wasm = Wasm {
        toolbox: section
            .get("toolbox", |value| list(value, path))
            .unwrap_or_default(),
        deterministic: section.get("deterministic", flag).unwrap_or(false),
        compile: section
            .get("compile", span_above_zero)
            .unwrap_or(Span::seconds(30)),
    };
    section.finish();
    wasm
}

fn read_images(root: &mut Section<'_>) -> Images {
    let mut section = root.section("images");
    let mut images = Images {
        strict: section.get("strict", flag).unwrap_or(false),
        default: section.get("default", image_choice).unwrap_or_default(),
        dists: BTreeMap::new(),
    };
    images.dists = section.rest(image_choice);
    section.finish();
    images
}

fn read_debug(root: &mut Section<'_>) -> DebugSessions {
    let given = root.has("debug");
    let mut section = root.section("debug");
    let debug = DebugSessions {
        listen: section.get("listen", address),
        address: section.get("address", host_name),
        time: section
            .get("time", span_above_zero)
            .unwrap_or(Span::seconds(30 * 60)),
        wait: section
            .get("wait", span_above_zero)
            .unwrap_or(Span::seconds(5 * 60)),
        sessions: section
            .get("sessions", |value| count(value, MOST_JOBS))
            .unwrap_or(2),
    };
    if given && !section.mentions("listen") {
        section.fault("listen is missing: the address and port of the SSH server");
    }
    section.finish();
    debug
}

fn read_caches(root: &mut Section<'_>) -> Caches {
    let mut section = root.section("caches");
    let caches = Caches {
        archive: section
            .get("archive", size_or_none)
            .unwrap_or(Size::of(1 << 30)),
        repository: section.get("repository", size).unwrap_or(Size::of(4 << 30)),
    };
    section.finish();
    caches
}

fn read_artifacts(root: &mut Section<'_>) -> Artifacts {
    let mut section = root.section("artifacts");
    let artifacts = Artifacts {
        job: section
            .get("job", size_or_none)
            .unwrap_or(Size::of(256 << 20)),
        repository: section.get("repository", size).unwrap_or(Size::of(2 << 30)),
    };
    section.finish();
    artifacts
}

fn read_shutdown(root: &mut Section<'_>) -> Shutdown {
    let mut section = root.section("shutdown");
    let grace = section.get("grace", span).unwrap_or(Span::seconds(10));
    section.finish();
    Shutdown { grace }
}

fn read_reconcile(root: &mut Section<'_>) -> Reconcile {
    let mut section = root.section("reconcile");
    let interval = section
        .get("interval", span)
        .unwrap_or(Span::seconds(5 * 60));
    let limit = section
        .get("limit", |value| count(value, 100_000))
        .unwrap_or(20);
    section.finish();
    Reconcile { interval, limit }
}

fn read_log(root: &mut Section<'_>) -> Log {
    let mut section = root.section("log");
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log = Log {
        level: section
            .get("level", |value| choice(value, &levels))
            .unwrap_or(LogLevel::Info),
        format: section
            .get("format", |value| choice(value, &formats))
            .unwrap_or(LogFormat::Text),
    };
    section.finish();
    log
}

fn read_repositories(root: &mut Section<'_>) -> Vec<RepositoryEntry> {
    let mut slugs = BTreeSet::new();
    let mut paths = BTreeSet::new();
    root.sections("repositories", |section| {
        let path = section.get("path", path);
        let given = section.get("slug", slug);
        let visibilities = [
            ("private", Visibility::Private),
            ("public", Visibility::Public),
        ];
        let visibility = section.get("visibility", |value| choice(value, &visibilities));
        let share = section
            .get("share", |value| list(value, slug))
            .unwrap_or_default();
        if path.is_none() && !section.has("path") {
            section.fault("path is missing: the absolute path of the repository");
        }
        let path = path?;
        if section.has("slug") && given.is_none() {
            return None;
        }
        let Some(slug) = given.or_else(|| slug_of(&path)) else {
            section.fault("slug is missing: the path has fewer than two parts to make one from");
            return None;
        };
        if !slugs.insert(slug.as_str().to_ascii_lowercase()) {
            section.fault(format!(
                "there is another repository {slug}; give this one a slug of its own"
            ));
        }
        if !paths.insert(path.clone()) {
            section.problem("path", "the same repository is listed twice");
        }
        if let Some(stranger) = share
            .iter()
            .find(|other| !other.owner().eq_ignore_ascii_case(slug.owner()))
        {
            section.problem("share", format!("{stranger} has another owner than {slug}"));
        }
        Some(RepositoryEntry {
            path,
            slug,
            visibility: visibility.unwrap_or(Visibility::Private),
            share,
            profile: section
                .get("profile", |value| choice(value, &PROFILES))
                .unwrap_or_default(),
            debug: section.get("debug", consent),
        })
    })
}

/// Defaults made by division, in a form that people can read.
fn whole_mebibytes(bytes: u64) -> Size {
    let mebibyte = 1 << 20;
    if bytes < mebibyte {
        Size::of(bytes.max(1))
    } else {
        Size::of(bytes / mebibyte * mebibyte)
    }
}
