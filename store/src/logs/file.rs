//! A log as a file: framed parts, plain while the job runs, the same frames in zstd afterwards.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::LogPart;

/// How a log file begins: magic and format.
pub(super) const HEADER: &[u8; 8] = b"ASSAYLG\x01";

/// Frame: length (4), number (4), flags (1), checksum (4), content.
const FRAME_HEAD: usize = 13;
const LAST: u8 = 1;
/// No part is longer.
pub(super) const LONGEST: usize = 64 << 10;

/// The bytes of one part.
pub(super) fn frame(part: &LogPart) -> Vec<u8> {
    let content = part.content.as_bytes();
    let mut bytes = Vec::with_capacity(FRAME_HEAD + content.len());
    bytes.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&part.number.to_be_bytes());
    bytes.push(if part.last { LAST } else { 0 });
    let sum = checksum(&bytes, content);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn checksum(head: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(content);
    hasher.finalize()
}

/// Reads parts one after the other; ends at the first frame that is not whole and sound.
pub(super) struct Parts<R> {
    input: R,
    /// Offset behind the last whole frame.
    end: u64,
}

impl Parts<BufReader<File>> {
    /// Reads a plain file from `offset` (0 for the beginning); `None` if it isn't there.
    pub(super) fn plain(path: &Path, offset: u64) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
            return Ok(Some(Parts { input: BufReader::new(file), end: offset }));
        }
        Parts::new(BufReader::new(file)).map(Some)
    }
}

impl Parts<zstd::Decoder<'static, BufReader<File>>> {
    /// Reads a finished log; `None` if it isn't there.
    pub(super) fn finished(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Parts::new(zstd::Decoder::new(file)?).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<R: Read> Parts<R> {
    fn new(mut input: R) -> io::Result<Self> {
        let mut header = [0; HEADER.len()];
        let end = match input.read_exact(&mut header) {
            Ok(()) if header == *HEADER => HEADER.len() as u64,
            Ok(()) => return Err(io::Error::new(ErrorKind::InvalidData, "not a log")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        Ok(Parts { input, end })
    }

    /// Offset behind the last whole frame; 0 if not even the header is whole.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The next whole part.
    pub(super) fn next(&mut self) -> io::Result<Option<LogPart>> {
        if self.end == 0 {
            return Ok(None);
        }
        match self.read() {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            other => other,
        }
    }

    fn read(&mut self) -> io::Result<Option<LogPart>> {
        let mut head = [0; FRAME_HEAD];
        self.input.read_exact(&mut head)?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = word(0) as usize;
        if length > LONGEST {
            return Ok(None);
        }
        let mut content = vec![0; length];
        self.input.read_exact(&mut content)?;
        if checksum(&head[..9], &content) != word(9) {
            return Ok(None);
        }
        let Ok(content) = String::from_utf8(content) else { return Ok(None) };
        self.end += (FRAME_HEAD + length) as u64;
        Ok(Some(LogPart { number: word(4), content, last: head[8] & LAST != 0 }))
    }
}
