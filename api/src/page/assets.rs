//! Style sheet, script and icon: part of the program.

use axum::http::header;

use crate::http::{Content, Reply};

const STYLE: &str = include_str!("../../assets/assay.css");
const SCRIPT: &str = include_str!("../../assets/assay.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// Part of the assets' addresses: another for each version of them.
pub(super) fn tag() -> &'static str {
    static TAG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for asset in [STYLE, SCRIPT, ICON] {
            hash.update(asset.as_bytes());
        }
        hash.finalize()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    });
    &TAG
}

/// The asset with this name.
pub(super) fn find(name: &str) -> Option<Reply> {
    let (kind, text) = match name {
        "assay.css" => ("text/css;charset=utf-8", STYLE),
        "assay.js" => ("text/javascript;charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return None,
    };
    let reply = Reply::ok(Content::Asset(kind, text.as_bytes()));
    Some(reply.with(header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
}
