//! Reads what an image can be made from: a tarball, an OCI layout, a folder such as debootstrap makes.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags};
use tar::EntryType;

use super::tree::{Meta, Tree, broken};
use super::{ImageError, oci};

/// Most bytes that may follow the end of an archive: padding, and the checksum of its compression.
const MOST_PADDING: u64 = 64 << 20;

/// An archive may unpack to so many times its own size; programs and texts shrink to a fifth or a tenth.
const MOST_GROWTH: u64 = 100;
/// And to so many bytes in any case.
const LEAST_ROOM: u64 = 64 << 20;

/// What a path holds.
#[derive(Debug)]
pub(super) enum Source {
    Tarball(File),
    Layout(OwnedFd),
    Folder(OwnedFd),
}

impl Source {
    /// Opens `path` and looks what it is.
    pub(super) fn open(path: &Path) -> Result<Source, ImageError> {
        let fail = |source| ImageError::Source {
            path: path.to_owned(),
            source,
        };
        // A pipe would wait for somebody to write.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(fail)?;
        let kind = file.metadata().map_err(fail)?.file_type();
        if kind.is_file() {
            return Ok(Source::Tarball(file));
        }
        if !kind.is_dir() {
            return Err(fail(io::Error::other("is neither a file nor a folder")));
        }
        let has = |name: &str| path.join(name).symlink_metadata().is_ok();
        if has("oci-layout") && has("index.json") {
            return Ok(Source::Layout(file.into()));
        }
        match has("usr") || has("bin") {
            true => Ok(Source::Folder(file.into())),
            false => Err(fail(io::Error::other(
                "is neither an OCI layout nor the root of a system (no usr, no bin)",
            ))),
        }
    }

    /// Writes all of it into `tree`.
    pub(super) fn unpack(self, tree: &mut Tree) -> Result<(), ImageError> {
        match self {
            Source::Tarball(file) => archive(file, tree, false),
            Source::Layout(folder) => {
                for layer in oci::layers(folder.as_fd())? {
                    tree.next_layer();
                    archive(layer, tree, true)?;
                }
                Ok(())
            }
            Source::Folder(folder) => {
                let device = rustix::fs::fstat(&folder)
                    .map_err(|e| unreadable(b".", &e.into()))?
                    .st_dev;
                let mut walk = Walk {
                    own: (
                        rustix::process::geteuid().as_raw(),
                        rustix::process::getegid().as_raw(),
                    ),
                    device,
                    seen: HashMap::new(),
                };
                walk.folder(folder.as_fd(), b"", tree)
            }
        }
    }
}

/// Most bytes of all headers of one entry (long names, extensions, maps of sparse files), which are read into memory.
const MOST_HEADERS: u64 = 4 << 20;

/// What comes out of an archive, up to as much as may.
struct Measured {
    inner: Box<dyn Read>,
    left: Rc<Left>,
}

/// What may still come out of an archive.
struct Left {
    /// Altogether.
    all: Cell<u64>,
    /// Before the next entry begins; only while headers are read.
    headers: Cell<Option<u64>>,
}

impl Left {
    fn take(&self, bytes: u64) -> Result<(), &'static str> {
        self.all
            .set(self.all.get().checked_sub(bytes).ok_or(GROWS)?);
        if let Some(left) = self.headers.get() {
            let left = left.checked_sub(bytes).ok_or(LONG_HEADERS)?;
            self.headers.set(Some(left));
        }
        Ok(())
    }
}

impl Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left.take(read as u64).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// A decompression bomb, in words.
const GROWS: &str = "more than a hundred times the size of its archive";
/// Another kind of bomb.
const LONG_HEADERS: &str = "a file whose headers have more than 4 MiB";

/// Undoes whatever compression the first bytes show.
fn decompressed(file: File) -> io::Result<Measured> {
    let most = file.metadata()?.len().saturating_mul(MOST_GROWTH);
    Ok(Measured {
        inner: plain(file)?,
        left: Rc::new(Left {
            all: Cell::new(most.max(LEAST_ROOM)),
            headers: Cell::new(None),
        }),
    })
}

fn plain(file: File) -> io::Result<Box<dyn Read>> {
    let mut input = BufReader::with_capacity(256 * 1024, file);
    let head = input.fill_buf()?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(lzma_rust2::XzReader::new(input, true)),
        _ => Box::new(input),
    })
}

/// Longest part of an error that is told: some hold text from the archive.
const LONGEST_ERROR: usize = 300;

fn corrupt(error: &io::Error) -> ImageError {
    ImageError::Corrupt(told(error))
}

/// What an error says, harmless and short.
fn told(error: &io::Error) -> String {
    let text = error.to_string();
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_ERROR)
        .collect()
}

/// One archive; `layer`: names that begin with `.wh.` take things away.
fn archive(file: File, tree: &mut Tree, layer: bool) -> Result<(), ImageError> {
    let content = decompressed(file).map_err(|e| corrupt(&e))?;
    let left = Rc::clone(&content.left);
    let mut archive = tar::Archive::new(content);
    let mut count = 0_u64;
    let mut entries = archive.entries().map_err(|e| corrupt(&e))?;
    loop {
        left.headers.set(Some(MOST_HEADERS));
        let Some(entry) = entries.next() else {
            break;
        };
        let mut entry = entry.map_err(|e| corrupt(&e))?;
        left.headers.set(None);
        count += 1;
        // Said beforehand, it is refused before a byte of it is written.
        if entry.size() > left.all.get() {
            return Err(ImageError::TooLarge(GROWS.to_owned()));
        }
        let name = entry.path_bytes().into_owned();
        if !layer && matches!(name.as_slice(), b"oci-layout" | b"./oci-layout") {
            return Err(ImageError::Corrupt(
                "it is an archive of an OCI layout: unpack it, and import the folder".to_owned(),
            ));
        }
        if !(layer && white_out(&name, tree)?) {
            one(&mut entry, &name, tree)?;
        }
        // What nobody wanted of it is none of the next one's headers.
        io::copy(&mut entry, &mut io::sink()).map_err(|e| corrupt(&e))?;
    }
    if count == 0 {
        return Err(ImageError::Corrupt("it holds no files".to_owned()));
    }
    left.headers.set(None);
    let rest = io::copy(
        &mut archive.into_inner().take(MOST_PADDING),
        &mut io::sink(),
    );
    match rest.map_err(|e| corrupt(&e))? {
        MOST_PADDING.. => Err(ImageError::Corrupt(
            "there is more behind its end".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Whether `name` takes something away; then that is done.
fn white_out(name: &[u8], tree: &mut Tree) -> Result<bool, ImageError> {
    let (folder, last) = match name.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => name.split_at(slash + 1),
        None => (&name[..0], name),
    };
    match last {
        b".wh..wh..opq" => tree.empty(folder)?,
        [b'.', b'w', b'h', b'.', gone @ ..] if !gone.is_empty() => {
            tree.white_out(&[folder, gone].concat())?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn one<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    name: &[u8],
    tree: &mut Tree,
) -> Result<(), ImageError> {
    let header = entry.header();
    let meta = meta(header)
        .map_err(|error| broken(name, &format!("has an unreadable header: {}", told(&error))))?;
    let (kind, size) = (header.entry_type(), entry.size());
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    match kind {
        EntryType::Directory => tree.folder(name, meta),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let written = tree.file(name, meta, entry)?;
            match written == size {
                true => Ok(()),
                false => Err(ImageError::Corrupt("it is cut off".to_owned())),
            }
        }
        EntryType::Symlink | EntryType::Link => {
            let target = target.ok_or_else(|| broken(name, "is a link to nothing"))?;
            match kind {
                EntryType::Link => tree.hard_link(name, &target),
                _ => tree.link(name, meta, &target),
            }
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            tree.skip();
            Ok(())
        }
        // Global headers and labels describe the archive, not a file.
        _ => Ok(()),
    }
}

fn meta(header: &tar::Header) -> io::Result<Meta> {
    let id = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
    Ok(Meta {
        mode: header.mode()?,
        uid: id(header.uid()?),
        gid: id(header.gid()?),
        mtime: header.mtime()?.cast_signed(),
    })
}

/// Copies a folder of this host.
struct Walk {
    /// Uid and gid of whoever imports: what is theirs is the image's root's.
    own: (u32, u32),
    /// What is mounted from elsewhere is left out.
    device: u64,
    /// Files with several names, by device and number.
    seen: HashMap<(u64, u64), Vec<u8>>,
}

impl Walk {
    fn folder(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &[u8],
        tree: &mut Tree,
    ) -> Result<(), ImageError> {
        let fail = |error: rustix::io::Errno| unreadable(path, &error.into());
        for item in rustix::fs::Dir::read_from(folder).map_err(fail)? {
            let item = item.map_err(fail)?;
            let name = item.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let path = match path {
                b"" => name.to_vec(),
                _ => [path, b"/", name].concat(),
            };
            self.item(folder, OsStr::from_bytes(name), &path, tree)?;
        }
        Ok(())
    }

    fn item(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        path: &[u8],
        tree: &mut Tree,
    ) -> Result<(), ImageError> {
        let fail = |error: rustix::io::Errno| unreadable(path, &error.into());
        let stat = rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(fail)?;
        let meta = Meta {
            mode: stat.st_mode & 0o7777,
            uid: if stat.st_uid == self.own.0 {
                0
            } else {
                stat.st_uid
            },
            gid: if stat.st_gid == self.own.1 {
                0
            } else {
                stat.st_gid
            },
            mtime: stat.st_mtime,
        };
        let open = |flags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(fail)
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                tree.folder(path, meta)?;
                match stat.st_dev == self.device {
                    true => self.folder(
                        open(OFlags::RDONLY | OFlags::DIRECTORY)?.as_fd(),
                        path,
                        tree,
                    ),
                    false => Ok(()),
                }
            }
            FileType::RegularFile => {
                if stat.st_nlink > 1
                    && let Some(first) = self.seen.get(&(stat.st_dev, stat.st_ino))
                {
                    return tree.hard_link(path, first);
                }
                tree.file(path, meta, &mut File::from(open(OFlags::RDONLY)?))?;
                if stat.st_nlink > 1 {
                    self.seen
                        .insert((stat.st_dev, stat.st_ino), path.to_owned());
                }
                Ok(())
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new()).map_err(fail)?;
                tree.link(path, meta, target.to_bytes())
            }
            _ => {
                tree.skip();
                Ok(())
            }
        }
    }
}

fn unreadable(path: &[u8], error: &io::Error) -> ImageError {
    broken(path, &format!("can't be read: {error}"))
}
