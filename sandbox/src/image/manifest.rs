//! What an image consists of, as data: one entry for each path, a line of text for each entry, and the digest of that
//! text, which is the image's name in the store.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The entries of an image, by path (relative, without a slash at either end). The root itself isn't one of them.
pub(super) type Manifest = BTreeMap<Vec<u8>, Entry>;

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Permissions as the source has them, set-uid bits included.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970. Not part of the digest.
    pub(super) mtime: i64,
    /// The layer it came with. Not part of the digest.
    pub(super) layer: usize,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File { size: u64, hash: [u8; 32] },
    Link(Vec<u8>),
}

/// The whole manifest, a line for each entry.
pub(super) fn text(manifest: &Manifest) -> String {
    let mut text = String::new();
    for (path, entry) in manifest {
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        let path = escaped(path);
        let line = match &entry.kind {
            Kind::Folder => format!("d {mode:o} {uid}:{gid} {path}\n"),
            Kind::File { size, hash } => {
                format!("f {mode:o} {uid}:{gid} {path} {size} {}\n", hex(hash))
            }
            Kind::Link(target) => format!("l {mode:o} {uid}:{gid} {path} {}\n", escaped(target)),
        };
        text.push_str(&line);
    }
    text
}

/// The other way; `None` for text that isn't a manifest.
pub(super) fn parse(text: &str) -> Option<Manifest> {
    text.lines().map(line).collect()
}

fn line(line: &str) -> Option<(Vec<u8>, Entry)> {
    let mut fields = line.split(' ');
    let kind = fields.next()?;
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    let (uid, gid) = fields.next()?.split_once(':')?;
    let path = unescaped(fields.next()?)?;
    let kind = match kind {
        "d" => Kind::Folder,
        "f" => Kind::File {
            size: fields.next()?.parse().ok()?,
            hash: unhex(fields.next()?)?,
        },
        "l" => Kind::Link(unescaped(fields.next()?)?),
        _ => return None,
    };
    let entry = Entry {
        kind,
        mode,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        mtime: 0,
        layer: 0,
    };
    fields.next().is_none().then_some((path, entry))
}

/// `sha256:` and the hash of the manifest's text.
pub(super) fn digest(text: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(text.as_bytes()).into()))
}

/// Printable ASCII stays, the rest becomes `\xNN`.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = after.get(1..3).filter(|_| after[0] == b'x')?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[3..];
    }
    Some(bytes)
}

pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind) -> Entry {
        Entry {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 42,
            mtime: 0,
            layer: 0,
        }
    }

    #[test]
    fn survives_as_text_with_odd_names() {
        let manifest = Manifest::from([
            (b"usr".to_vec(), entry(Kind::Folder)),
            (
                b"usr/a b\n\\\xff".to_vec(),
                entry(Kind::File {
                    size: 7,
                    hash: [0xab; 32],
                }),
            ),
            (b"bin".to_vec(), entry(Kind::Link(b"usr/bin x".to_vec()))),
        ]);
        let text = text(&manifest);
        assert_eq!(parse(&text), Some(manifest));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn odd_text_is_refused() {
        for text in [
            "x 1 0:0 a",
            "d 9 0:0 a",
            "d 7 0 a",
            "f 7 0:0 a 1 00",
            "d 7 0:0 \\x",
            "d 7 0:0 a b",
            "\u{e4}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
