//! Bytes to text: what is no UTF-8 becomes U+FFFD, a character that is cut by the end of the bytes waits.

/// Turns a stream of bytes into text.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Beginning of a character whose rest has not come yet (at most three bytes).
    waiting: Vec<u8>,
}

impl Decoder {
    /// Text of the bytes so far, as far as it is certain.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        let joined;
        let bytes = if self.waiting.is_empty() {
            bytes
        } else {
            self.waiting.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.waiting);
            &joined
        };
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.waiting = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// What is left when no more bytes come.
    pub(super) fn finish(&mut self) -> String {
        let waiting = std::mem::take(&mut self.waiting);
        String::from_utf8_lossy(&waiting).into_owned()
    }
}

/// Whether more bytes could make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Cuts text into pieces of at most `longest` bytes, between characters.
pub(super) fn pieces(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let piece;
        (piece, rest) = rest.split_at(rest.floor_char_boundary(longest));
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut decoder = Decoder::default();
        let bytes = "a€😀z".as_bytes();
        let text: String = bytes.iter().map(|byte| decoder.push(&[*byte])).collect();
        assert_eq!(text, "a€😀z");
        assert_eq!(decoder.finish(), "");
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"a\xffb\xe2\x82"), "a\u{fffd}b");
        assert_eq!(decoder.push(b"c\xf0\x9f"), "\u{fffd}c");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }

    #[test]
    fn pieces_end_between_characters() {
        assert_eq!(pieces("aaé€", 3).collect::<Vec<_>>(), ["aa", "é", "€"]);
        assert_eq!(pieces("", 3).count(), 0);
    }
}
