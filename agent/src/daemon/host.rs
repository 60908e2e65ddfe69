//! Facts about this host that jobs are told.

use std::sync::OnceLock;

/// Travis' name of the processor.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Code name of the distribution (`bookworm`), from os-release(5).
pub(crate) fn dist() -> Option<&'static str> {
    static DIST: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let text = std::fs::read_to_string("/etc/os-release").ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
        Some(line.trim_matches('"').to_owned())
    };
    DIST.get_or_init(read).as_deref()
}
