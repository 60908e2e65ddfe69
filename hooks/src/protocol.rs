//! What hook and daemon say to each other over `hook.sock`: one line of JSON each way, more lines to a waiting hook.
//!
//! The hook sends one [`Hint`]; the daemon answers with one [`Answer::Accepted`] or [`Answer::Refused`]. To a hint with
//! `wait` it goes on with log text and states until [`Answer::End`]. A side ignores fields and answers it doesn't know.

use assay_plan::{CommitId, RefName};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the protocol, in every hint.
pub const VERSION: u32 = 1;

/// Longest line either side sends or reads, newline included, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// Most refs one hint names.
pub(crate) const MAX_UPDATES: usize = 1000;

/// Most bytes of ref names in one hint, so that the line stays well under [`MAX_LINE`] however it is escaped.
pub(crate) const MAX_REF_BYTES: usize = 96 * 1024;

/// Longest name of one ref, in bytes; Git's own limit is the longest path of the file system.
pub(crate) const MAX_REF: usize = 4096;

/// Most push options one hint carries.
pub(crate) const MAX_OPTIONS: usize = 64;

/// Longest push option and longest name of a pusher, in bytes.
pub(crate) const MAX_TEXT: usize = 1024;

/// What a hook tells the daemon: refs of this repository changed, look at them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// [`VERSION`] of the side that wrote it.
    pub version: u32,
    /// Absolute path of the repository (the folder with `objects` and `refs` in it), links resolved.
    pub repository: String,
    /// Random id of this delivery, 32 hexadecimal digits: the same in the socket and in the spool, to be handled once.
    pub delivery: String,
    /// The refs that changed, as the hook was told; possibly not all, see `left_out`.
    pub updates: Vec<RefUpdate>,
    /// How many further refs changed that are not in `updates`, because there were too many or their names are no text.
    #[serde(default)]
    pub left_out: u64,
    /// Push options, as given.
    #[serde(default)]
    pub options: Vec<String>,
    /// Who pushed, as far as the hook's environment says.
    #[serde(default)]
    pub pusher: Option<String>,
    /// Whether the hook stays connected for the log and the verdict.
    #[serde(default)]
    pub wait: bool,
}

/// One line of a hook's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// Value before; all zeros for a new ref.
    pub old: String,
    /// Value now; all zeros for a ref that is gone.
    pub new: String,
    /// Full name of the ref.
    #[serde(rename = "ref")]
    pub ref_name: String,
}

/// What the daemon tells a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The hint is written down; one entry for each of its refs.
    Accepted(Vec<Accepted>),
    /// A piece of a job's log; only to a waiting hook.
    Log(LogText),
    /// A job or a build has a new state; only to a waiting hook.
    State(StateOf),
    /// All builds of this push are done; the last line to a waiting hook.
    End(End),
    /// The hint was not taken; the last line.
    #[serde(rename = "error")]
    Refused(Refusal),
}

/// What becomes of one ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Full name of the ref.
    #[serde(rename = "ref")]
    pub ref_name: String,
    /// Address of the build; `None` when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why there is no build, or a remark on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A piece of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogText {
    /// Number of the job, `12.1`; empty for words of the daemon's own.
    pub job: String,
    /// The text, masked, with the log's own line ends and colours; it may end anywhere in a line.
    pub text: String,
}

/// The new state of a job or a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOf {
    /// Number of the job, when a job's state changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Number of the build, when a build's state changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Name of the state: `started`, `passed` …
    pub state: String,
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Name of the worst state among the push's builds.
    pub verdict: String,
    /// Address of that build.
    pub url: String,
}

/// Why a hint was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One line for the author.
    pub text: String,
    /// Whether to put the hint into the spool, for a later try (the daemon's disk is full, it is about to stop …).
    #[serde(default)]
    pub spool: bool,
}

/// Why a line is not part of the conversation.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The line is longer than [`MAX_LINE`].
    #[error("line of {0} bytes is longer than {MAX_LINE}")]
    TooLong(usize),
    /// The line is not JSON, or not of this shape.
    #[error("line is not of the hook protocol")]
    Json(#[from] serde_json::Error),
    /// The hint is of a newer protocol.
    #[error("hint is of protocol version {0}, known is {VERSION}")]
    Version(u32),
    /// A field of the hint holds what it must not.
    #[error("field `{0}` of the hint is malformed")]
    Field(&'static str),
}

impl Hint {
    /// The hint as one line with its newline.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        encode(self)
    }

    /// Reads a line (with or without its newline) and checks it.
    pub fn decode(line: &[u8]) -> Result<Hint, ProtocolError> {
        let hint: Hint = decode(line)?;
        hint.check()?;
        Ok(hint)
    }

    /// Whether every field holds what it may: absolute path, well-formed ids and ref names, bounded lists and texts.
    pub fn check(&self) -> Result<(), ProtocolError> {
        if self.version != VERSION {
            return Err(ProtocolError::Version(self.version));
        }
        let path_ok = self.repository.starts_with('/')
            && self.repository.len() <= MAX_REF
            && !self.repository.contains('\0');
        let delivery_ok = is_delivery(&self.delivery);
        let updates_ok =
            self.updates.len() <= MAX_UPDATES && self.updates.iter().all(RefUpdate::is_well_formed);
        let options_ok = self.options.len() <= MAX_OPTIONS
            && self.options.iter().all(|option| option.len() <= MAX_TEXT);
        let pusher_ok = self
            .pusher
            .as_ref()
            .is_none_or(|name| name.len() <= MAX_TEXT);
        let checks = [
            (path_ok, "repository"),
            (delivery_ok, "delivery"),
            (updates_ok, "updates"),
            (options_ok, "options"),
            (pusher_ok, "pusher"),
        ];
        checks
            .iter()
            .find(|(ok, _)| !ok)
            .map_or(Ok(()), |(_, field)| Err(ProtocolError::Field(field)))
    }
}

impl RefUpdate {
    /// Whether both values are object ids of one length and the ref is named as Git names refs.
    pub(crate) fn is_well_formed(&self) -> bool {
        self.old.len() == self.new.len()
            && CommitId::parse(&self.old).is_ok()
            && CommitId::parse(&self.new).is_ok()
            && self.ref_name.len() <= MAX_REF
            && RefName::parse(&self.ref_name).is_ok()
    }
}

impl Answer {
    /// The answer as one line with its newline.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        encode(self)
    }

    /// Reads a line (with or without its newline).
    pub fn decode(line: &[u8]) -> Result<Answer, ProtocolError> {
        decode(line)
    }
}

/// Whether `text` is an id of a delivery. Spool files are named by it, so nothing else may pass.
pub(crate) fn is_delivery(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, ProtocolError> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        Err(ProtocolError::TooLong(line.len()))
    } else {
        Ok(line)
    }
}

fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, ProtocolError> {
    if line.len() > MAX_LINE {
        return Err(ProtocolError::TooLong(line.len()));
    }
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint() -> Hint {
        Hint {
            version: VERSION,
            repository: "/srv/git/a b'c.git".to_owned(),
            delivery: "0123456789abcdef0123456789abcdef".to_owned(),
            updates: vec![RefUpdate {
                old: "0".repeat(40),
                new: "a".repeat(40),
                ref_name: "refs/heads/é".to_owned(),
            }],
            left_out: 0,
            options: vec!["ci.skip".to_owned()],
            pusher: Some("ann".to_owned()),
            wait: false,
        }
    }

    #[test]
    fn a_hint_survives_the_wire() {
        let line = hint().encode().unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(Hint::decode(&line).unwrap(), hint());
    }

    #[test]
    fn the_biggest_hint_fits_into_a_line() {
        let name = format!("refs/heads/{}", "\u{e9}".repeat(MAX_REF / 2 - 8));
        let update = RefUpdate {
            old: "0".repeat(64),
            new: "f".repeat(64),
            ref_name: name,
        };
        let mut big = hint();
        big.updates = vec![update.clone(); MAX_REF_BYTES / update.ref_name.len()];
        big.updates.resize(
            MAX_UPDATES,
            RefUpdate {
                ref_name: "refs/heads/x".to_owned(),
                ..update
            },
        );
        big.options = vec!["\u{1}".repeat(MAX_TEXT); MAX_OPTIONS];
        assert!(Hint::decode(&big.encode().unwrap()).is_ok());
    }

    #[test]
    fn malformed_hints_are_refused_by_field() {
        type Spoil = fn(&mut Hint);
        let broken: [(&str, Spoil); 8] = [
            ("repository", |h| h.repository = "srv/git".to_owned()),
            ("delivery", |h| h.delivery = "../../etc/passwd".to_owned()),
            ("delivery", |h| h.delivery = "A".repeat(32)),
            ("updates", |h| h.updates[0].old = "0".repeat(64)),
            ("updates", |h| h.updates[0].new = "main".to_owned()),
            ("updates", |h| {
                h.updates[0].ref_name = "refs/heads/a b".to_owned()
            }),
            ("options", |h| {
                h.options = vec![String::new(); MAX_OPTIONS + 1]
            }),
            ("pusher", |h| h.pusher = Some("x".repeat(MAX_TEXT + 1))),
        ];
        for (field, spoil) in broken {
            let mut hint = hint();
            spoil(&mut hint);
            assert!(
                matches!(hint.check(), Err(ProtocolError::Field(found)) if found == field),
                "{field}"
            );
        }
        let mut newer = hint();
        newer.version = VERSION + 1;
        assert!(matches!(newer.check(), Err(ProtocolError::Version(_))));
        assert!(matches!(
            Hint::decode(&vec![b' '; MAX_LINE + 1]),
            Err(ProtocolError::TooLong(_))
        ));
        assert!(matches!(
            Hint::decode(b"\xff{}"),
            Err(ProtocolError::Json(_))
        ));
    }

    #[test]
    fn answers_read_as_documented() {
        let lines = [
            r#"{"accepted":[{"ref":"refs/heads/main","url":"http://x/1"},{"ref":"refs/heads/b","note":"skipped"}]}"#,
            r#"{"log":{"job":"12.1","text":"hello\r\n"}}"#,
            r#"{"state":{"job":"12.1","state":"started"}}"#,
            r#"{"end":{"verdict":"passed","url":"http://x/1"}}"#,
            r#"{"error":{"text":"unknown repository","spool":false}}"#,
        ];
        for line in lines {
            let answer = Answer::decode(line.as_bytes()).unwrap();
            assert_eq!(
                String::from_utf8(answer.encode().unwrap())
                    .unwrap()
                    .trim_end(),
                line
            );
        }
    }
}
