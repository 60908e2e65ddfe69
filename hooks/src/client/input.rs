//! The lines Git gives a `post-receive` hook.

use std::io::Read;

use crate::protocol::{MAX_REF_BYTES, MAX_UPDATES, RefUpdate};

/// Most bytes of input looked at: more than 300,000 refs with names of usual length.
const MAX_INPUT: u64 = 64 << 20;

/// Most malformed lines that are told.
const MAX_MALFORMED: usize = 3;

/// What was pushed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    pub(super) updates: Vec<RefUpdate>,
    /// Well-formed lines left out of `updates`.
    pub(super) left_out: u64,
    /// The first lines that are none, fit for printing.
    pub(super) malformed: Vec<String>,
}

/// Reads all input, or as much as was read before an error: a push is never failed.
pub(super) fn read(input: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = input.take(MAX_INPUT).read_to_end(&mut bytes);
    bytes
}

impl Pushed {
    pub(super) fn parse(input: &[u8]) -> Pushed {
        let mut pushed = Pushed::default();
        let mut names = 0;
        for line in input
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match parse_line(line) {
                Line::Update(update) => {
                    names += update.ref_name.len();
                    if pushed.updates.len() < MAX_UPDATES && names <= MAX_REF_BYTES {
                        pushed.updates.push(update);
                    } else {
                        pushed.left_out += 1;
                    }
                }
                Line::Unsayable => pushed.left_out += 1,
                Line::Malformed if pushed.malformed.len() < MAX_MALFORMED => {
                    let start = &line[..line.len().min(120)];
                    pushed
                        .malformed
                        .push(String::from_utf8_lossy(start).escape_debug().to_string());
                }
                Line::Malformed => {}
            }
        }
        pushed
    }
}

enum Line {
    Update(RefUpdate),
    /// Fine for Git, but the ref's name is no text: the daemon will say so when it reads the refs.
    Unsayable,
    Malformed,
}

fn parse_line(line: &[u8]) -> Line {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let (Some(old), Some(new), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
        return Line::Malformed;
    };
    let (Ok(old), Ok(new)) = (str::from_utf8(old), str::from_utf8(new)) else {
        return Line::Malformed;
    };
    let unsayable = str::from_utf8(name).is_err();
    let ref_name = if unsayable {
        "refs/heads/x".to_owned()
    } else {
        String::from_utf8_lossy(name).into_owned()
    };
    let update = RefUpdate {
        old: old.to_owned(),
        new: new.to_owned(),
        ref_name,
    };
    match (update.is_well_formed(), unsayable) {
        (false, _) => Line::Malformed,
        (true, true) => Line::Unsayable,
        (true, false) => Line::Update(update),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_kept_and_bad_ones_told() {
        let (zero, one) = ("0".repeat(40), "1".repeat(40));
        let mut input = format!(
            "{zero} {one} refs/heads/main\nrubbish\n{one} {zero} refs/tags/v1\n{zero} {one}\n"
        );
        input.push_str(&format!(
            "{zero} {one}1 refs/heads/x\n{zero} {one} refs/heads/a b\n\u{1b}[2Jx y z\n"
        ));
        let mut bytes = input.into_bytes();
        bytes.extend(
            format!("{zero} {one} refs/heads/")
                .bytes()
                .chain([0xff, b'\n']),
        );
        let pushed = Pushed::parse(&bytes);
        let names: Vec<_> = pushed
            .updates
            .iter()
            .map(|update| update.ref_name.as_str())
            .collect();
        assert_eq!(names, ["refs/heads/main", "refs/tags/v1"]);
        assert_eq!(
            (pushed.left_out, pushed.malformed.len()),
            (1, MAX_MALFORMED)
        );
        assert_eq!(pushed.malformed[0], "rubbish");
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let line = format!("{} {} refs/heads/main\n", "0".repeat(40), "1".repeat(40));
        let pushed = Pushed::parse(line.repeat(MAX_UPDATES + 5).as_bytes());
        assert_eq!((pushed.updates.len(), pushed.left_out), (MAX_UPDATES, 5));
    }

    #[test]
    fn any_bytes_are_read() {
        for seed in 0u8..=255 {
            let bytes: Vec<u8> = (0..200u8)
                .map(|index| index.wrapping_mul(seed) ^ seed)
                .collect();
            Pushed::parse(&bytes);
        }
    }
}
