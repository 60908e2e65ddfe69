//! Finds in a job's output what its set-up has to tell the agent: versions that run in the place of those asked for.
//!
//! The marks stand before the first command of the author; the script says where set-up ends, and nothing after that counts.

use assay_plan::Substitute;

const VERSION: &[u8] = b"assay_version:";
const DONE: &[u8] = b"assay_setup:done";
const END: &[u8] = b"\r\x1b[0K";

/// Bytes kept of output in which no mark is complete yet; a mark is far shorter.
const KEPT: usize = 1 << 10;

/// Most marks of a job; it has fewer languages. What an image or a package says before the first command is a stranger's
/// word, too.
const MOST: usize = 20;

/// Looks at output as it comes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rest: Vec<u8>,
    found: usize,
    done: bool,
}

impl Marks {
    /// For jobs whose versions are exact: there is nothing to look for.
    pub(super) fn none() -> Self {
        Marks {
            done: true,
            ..Marks::default()
        }
    }

    /// Takes more output; returns what has become known.
    pub(super) fn take(&mut self, output: &[u8]) -> Vec<Substitute> {
        let mut found = Vec::new();
        if self.done {
            return found;
        }
        self.rest.extend_from_slice(output);
        while let Some(end) = position(&self.rest, END) {
            let mark = &self.rest[..end];
            let substitute = read(mark);
            self.found += usize::from(substitute.is_some());
            if mark.ends_with(DONE) || self.found > MOST {
                self.done = true;
                self.rest = Vec::new();
                return found;
            }
            found.extend(substitute);
            self.rest.drain(..end + END.len());
        }
        let surplus = self.rest.len().saturating_sub(KEPT);
        self.rest.drain(..surplus);
        found
    }
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// `…assay_version:NAME:ASKED:USED`
fn read(mark: &[u8]) -> Option<Substitute> {
    let start = position(mark, VERSION)? + VERSION.len();
    let text = std::str::from_utf8(&mark[start..]).ok()?;
    let mut parts = text.split(':').map(str::to_owned);
    let substitute = Substitute {
        name: parts.next()?,
        asked: parts.next()?,
        used: parts.next()?,
    };
    let is_plain = text.len() <= KEPT && !text.chars().any(char::is_control);
    (parts.next().is_none() && is_plain).then_some(substitute)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &[u8] =
        b"Python 3.8 is not here\r\nassay_version:Python:3.8:3.9.1\r\x1b[0Kmore\r\x1b[0K\
        assay_setup:done\r\x1b[0Kassay_version:Go:1:2\r\x1b[0K";

    #[test]
    fn marks_are_found_however_the_output_is_cut() {
        for size in 1..OUTPUT.len() {
            let mut marks = Marks::default();
            let found: Vec<Substitute> = OUTPUT
                .chunks(size)
                .flat_map(|chunk| marks.take(chunk))
                .collect();
            assert_eq!(found.len(), 1, "{size}");
            assert_eq!(
                (found[0].name.as_str(), found[0].used.as_str()),
                ("Python", "3.9.1")
            );
        }
    }

    #[test]
    fn a_flood_of_marks_ends() {
        let mut marks = Marks::default();
        let found: usize = (0..1000)
            .map(|number| {
                let mark = format!("assay_version:N{number}:1:2\r\x1b[0K");
                marks.take(mark.as_bytes()).len()
            })
            .sum();
        assert_eq!(found, MOST);
    }

    #[test]
    fn long_output_is_not_kept() {
        let mut marks = Marks::default();
        marks.take(&[b'x'; 100_000]);
        assert_eq!(marks.rest.len(), KEPT);
        assert!(Marks::none().take(OUTPUT).is_empty());
    }
}
