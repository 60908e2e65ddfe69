//! Bytes of a segment: a header, then frames with length and checksum; reading them back past any damage.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Format of segments known here.
pub(crate) const FORMAT: u16 = 1;
/// Length of a segment's header: magic (8), format (2), kind (1), zero (1), number (8), checksum (4).
pub(crate) const HEADER: u64 = 24;

const MAGIC: &[u8; 8] = b"ASSAYJNL";
const FRAME: [u8; 4] = [0xa5, b'J', b'R', 0x1a];
const FRAME_HEAD: usize = 12;
/// No frame is longer; a length above this is damage.
const LONGEST: u32 = 256 << 20;

const RECORDS: u8 = 0;
const END: u8 = 1;

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Commits, in order.
    Journal,
    /// The whole state as it was when the journal segment of the same number began.
    Base,
}

/// The header of a segment.
pub(crate) fn header(kind: Kind, number: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_be_bytes());
    bytes.push(match kind {
        Kind::Journal => 0,
        Kind::Base => 1,
    });
    bytes.push(0);
    bytes.extend_from_slice(&number.to_be_bytes());
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes
}

/// One frame that holds these sealed records: they become visible together or not at all.
pub(crate) fn records<'a>(sealed: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = vec![RECORDS];
    for record in sealed {
        body.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(record);
    }
    frame(&body)
}

/// The frame that ends a base: how many records came before it.
pub(crate) fn end(count: u64) -> Vec<u8> {
    let mut body = vec![END];
    body.extend_from_slice(&count.to_be_bytes());
    frame(&body)
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(FRAME_HEAD + body.len());
    bytes.extend_from_slice(&FRAME);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(length, body).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

/// One thing found in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Sealed records of one commit, and where the next frame begins.
    Records(Vec<Vec<u8>>, u64),
    /// The end of a base: number of records.
    End(u64),
    /// Bytes from here to there make no sense; good frames follow.
    Damaged(u64, u64),
    /// Bytes from here to the end of the file make no sense: a write that was cut off.
    Torn(u64),
}

/// Reads one segment from a place on.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    at: u64,
    length: u64,
}

impl Reader {
    /// Opens a segment, checks its header, and goes to `from` (or behind the header).
    ///
    /// `None`: the header is cut off, as when the machine went down just after the file was made.
    pub(crate) fn open(path: &Path, kind: Kind, number: u64, from: u64) -> Result<Option<Reader>, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let length = file.metadata().map_err(StoreError::io("open", path))?.len();
        let mut input = BufReader::with_capacity(64 << 10, file);
        let mut found = Vec::new();
        input.by_ref().take(HEADER).read_to_end(&mut found).map_err(StoreError::io("read", path))?;
        let wanted = header(kind, number);
        if found != wanted {
            if wanted.starts_with(&found) {
                return Ok(None);
            }
            let format = found.get(8..10).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
            if found.starts_with(MAGIC) && format > FORMAT {
                let path = path.to_owned();
                return Err(StoreError::Newer { path, found: format.into(), known: FORMAT.into() });
            }
            return Err(StoreError::Damaged { path: path.to_owned(), what: "not the header of a segment".to_owned() });
        }
        let mut reader = Reader { path: path.to_owned(), input, at: HEADER, length };
        if from > HEADER {
            reader.seek(from).map_err(StoreError::io("read", path))?;
        }
        Ok(Some(reader))
    }

    /// The next item; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, StoreError> {
        let path = self.path.clone();
        self.read_item().map_err(StoreError::io("read", &path))
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(to))?;
        self.at = to;
        Ok(())
    }

    fn read_item(&mut self) -> io::Result<Option<Item>> {
        if self.at >= self.length {
            return Ok(None);
        }
        let start = self.at;
        if let Some(item) = self.read_frame()? {
            return Ok(Some(item));
        }
        let Some(next) = self.find_frame(start + 1)? else {
            self.at = self.length;
            return Ok(Some(Item::Torn(start)));
        };
        self.seek(next)?;
        Ok(Some(Item::Damaged(start, next)))
    }

    /// Reads the frame at the present place, if there is a whole and sound one.
    fn read_frame(&mut self) -> io::Result<Option<Item>> {
        let mut head = [0_u8; FRAME_HEAD];
        if !self.fill(&mut head)? || head[..4] != FRAME {
            return Ok(None);
        }
        let length = [head[4], head[5], head[6], head[7]];
        let sum = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let size = u32::from_be_bytes(length);
        if size == 0 || size > LONGEST || u64::from(size) > self.length.saturating_sub(self.at) {
            return Ok(None);
        }
        let mut body = vec![0_u8; size as usize];
        if !self.fill(&mut body)? || checksum(length, &body) != sum {
            return Ok(None);
        }
        Ok(parse(&body, self.at))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.at += buffer.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next place, from `from` on, where a sound frame begins.
    fn find_frame(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut base = from;
        let mut window = vec![0_u8; 64 << 10];
        while base + FRAME_HEAD as u64 <= self.length {
            self.seek(base)?;
            let got = read_up_to(&mut self.input, &mut window)?;
            let places = window[..got].windows(FRAME.len()).enumerate();
            let found: Vec<u64> =
                places.filter(|(_, bytes)| *bytes == FRAME).map(|(at, _)| base + at as u64).collect();
            for place in found {
                self.seek(place)?;
                if self.read_frame()?.is_some() {
                    return Ok(Some(place));
                }
            }
            if got < window.len() {
                break;
            }
            base += (got - FRAME.len() + 1) as u64;
        }
        Ok(None)
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn parse(body: &[u8], next: u64) -> Option<Item> {
    let (kind, mut rest) = body.split_first()?;
    match *kind {
        RECORDS => {
            let mut records = Vec::new();
            while !rest.is_empty() {
                let (length, more) = rest.split_first_chunk::<4>()?;
                let length = u32::from_be_bytes(*length) as usize;
                records.push(more.get(..length)?.to_vec());
                rest = &more[length..];
            }
            Some(Item::Records(records, next))
        }
        END => Some(Item::End(u64::from_be_bytes(rest.try_into().ok()?))),
        _ => None,
    }
}
