//! The list of entries inside an archive. Each begins with its kind (1 byte), the path's length (4, little-endian) and
//! the content's (8), followed by path and content.

use std::io::{self, Read, Write};

/// Longest path or target of a link.
const LONGEST: usize = 4095;
const HEAD: usize = 13;

const FILE: u8 = b'f';
const PROGRAM: u8 = b'x';
const LINK: u8 = b'l';
const FOLDER: u8 = b'd';
const TIME: u8 = b't';
const END: u8 = b'e';

/// One entry of an archive. Paths are absolute.
pub enum Entry<'a> {
    /// Modification time of the files and links that follow, seconds since 1970.
    Time(i64),
    /// A regular file.
    File {
        /// Its path.
        path: &'a [u8],
        /// Whether it may be executed.
        executable: bool,
        /// Bytes of its content.
        length: u64,
        /// The content.
        content: &'a mut dyn Read,
    },
    /// A symbolic link.
    Link {
        /// Its path.
        path: &'a [u8],
        /// Any text.
        target: &'a [u8],
    },
    /// A folder.
    Folder {
        /// Its path.
        path: &'a [u8],
    },
}

/// Kind, path and length of an entry as they are written.
pub(super) fn head(entry: &Entry<'_>) -> io::Result<(Vec<u8>, bool)> {
    let (kind, path, length): (u8, &[u8], u64) = match entry {
        Entry::Time(seconds) => (TIME, b"", seconds.cast_unsigned()),
        Entry::File {
            path,
            executable,
            length,
            ..
        } => (if *executable { PROGRAM } else { FILE }, path, *length),
        Entry::Link { path, target } => (LINK, path, target.len() as u64),
        Entry::Folder { path } => (FOLDER, path, 0),
    };
    if kind != TIME && !is_plain(path) {
        return Err(refused("a path that is not absolute and plain"));
    }
    if kind == LINK && !(1..=LONGEST as u64).contains(&length) {
        return Err(refused("a link without a possible target"));
    }
    let mut bytes = Vec::with_capacity(HEAD + path.len());
    bytes.push(kind);
    bytes.extend_from_slice(&u32::try_from(path.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(path);
    Ok((bytes, kind != TIME))
}

pub(super) fn write_end(out: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; HEAD];
    bytes[0] = END;
    out.write_all(&bytes)
}

/// Reads entries until the end; no more than `bytes` of content.
pub(super) fn read_all(
    input: &mut impl Read,
    mut bytes: u64,
    sink: &mut dyn FnMut(Entry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (mut path, mut target) = (Vec::new(), Vec::new());
    loop {
        let mut head = [0; HEAD];
        input.read_exact(&mut head)?;
        let [kind, a, b, c, d, rest @ ..] = head;
        let length = u64::from_le_bytes(rest);
        let path_length = u32::from_le_bytes([a, b, c, d]) as usize;
        if path_length > LONGEST {
            return Err(refused("a path that is too long"));
        }
        path.resize(path_length, 0);
        input.read_exact(&mut path)?;
        if !matches!(kind, TIME | END) && !is_plain(&path) {
            return Err(refused("a path that is not absolute and plain"));
        }
        match kind {
            FILE | PROGRAM => {
                bytes = bytes
                    .checked_sub(length)
                    .ok_or_else(|| refused("more bytes than it says"))?;
                let mut content = (&mut *input).take(length);
                sink(Entry::File {
                    path: &path,
                    executable: kind == PROGRAM,
                    length,
                    content: &mut content,
                })?;
                io::copy(&mut content, &mut io::sink())?;
                if content.limit() > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            LINK => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length == 0 || length > LONGEST {
                    return Err(refused("a link without a possible target"));
                }
                target.resize(length, 0);
                input.read_exact(&mut target)?;
                sink(Entry::Link {
                    path: &path,
                    target: &target,
                })?;
            }
            FOLDER => sink(Entry::Folder { path: &path })?,
            TIME => sink(Entry::Time(length.cast_signed()))?,
            END => return Ok(()),
            _ => return Err(refused("an entry of an unknown kind")),
        }
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it holds {what}"))
}

/// Absolute, not the root, no `.`, no `..`, no empty part, no zero byte.
fn is_plain(path: &[u8]) -> bool {
    let odd = |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.contains(&0);
    path.len() <= LONGEST
        && path
            .strip_prefix(b"/")
            .is_some_and(|path| !path.split(|byte| *byte == b'/').any(odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(kind: u8, path: &[u8], length: u64) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&u32::try_from(path.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(path);
        bytes
    }

    #[test]
    fn names_that_lead_elsewhere_are_neither_written_nor_read() {
        let odd: [&[u8]; 8] = [
            b"../../x",
            b"x",
            b"/",
            b"/a/../../x",
            b"/a//b",
            b"/./a",
            b"",
            b"/a\0b",
        ];
        for path in odd {
            assert!(
                head(&Entry::Folder { path }).is_err(),
                "{}",
                path.escape_ascii()
            );
            let bytes = raw(FOLDER, path, 0);
            let read = read_all(&mut bytes.as_slice(), 10, &mut |_| Ok(()));
            assert!(read.is_err(), "{}", path.escape_ascii());
        }
    }

    /// Attack row A25: less than a MiB, which unpacks to a hundred GiB.
    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let piece = zstd::encode_all([0; 16 << 20].as_slice(), 1).unwrap();
        let all = 100 << 30;
        for (says, most) in [(all, 10 << 20), (5 << 20, 10 << 20)] {
            let head = raw(FILE, b"/f", says);
            let mut bomb = zstd::encode_all(head.as_slice(), 1).unwrap();
            for _ in 0..all / (16 << 20) {
                bomb.extend_from_slice(&piece);
            }
            assert!(bomb.len() < 10 << 20);
            let mut taken = 0;
            let mut input = io::BufReader::new(zstd::Decoder::new(bomb.as_slice()).unwrap());
            let read = read_all(&mut input, most, &mut |entry| {
                if let Entry::File { content, .. } = entry {
                    taken += io::copy(content, &mut io::sink())?;
                }
                Ok(())
            });
            assert!(read.is_err());
            assert!(taken <= most, "{taken}");
        }
    }

    #[test]
    fn what_is_too_much_cut_off_or_unknown_is_an_error() {
        let odd = [
            raw(FILE, b"/f", 11),
            raw(FILE, b"/f", 5),
            raw(LINK, b"/l", 0),
            raw(LINK, b"/l", 1 << 40),
            raw(b'?', b"/f", 0),
            raw(FOLDER, &[b'x'; 5000], 0),
            b"d".to_vec(),
        ];
        for bytes in odd {
            assert!(read_all(&mut bytes.as_slice(), 10, &mut |_| Ok(())).is_err());
        }
    }
}
