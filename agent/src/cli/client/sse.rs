//! Reads server-sent events (WHATWG HTML, "Server-sent events") from bytes as they come.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` if it has none.
    pub(crate) name: String,
    /// Its data, lines joined.
    pub(crate) data: String,
    /// Its id, where it is a number.
    pub(crate) id: Option<u64>,
}

/// Puts lines together to events.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
    name: Option<String>,
    data: Option<String>,
    id: Option<u64>,
}

impl Parser {
    /// The events that are complete with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(length) = self.bytes[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.bytes[start..start + length]).into_owned();
            start += length + 1;
            events.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
        }
        self.bytes.drain(..start);
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, data, id) = (self.name.take(), self.data.take(), self.id.take());
            // An event with a name but no data still says something: `event: end`.
            if name.is_none() && data.is_none() {
                return None;
            }
            return Some(Event {
                name: name.unwrap_or_else(|| "message".to_owned()),
                data: data.unwrap_or_default(),
                id,
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" => self.id = value.parse().ok(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 1\ndata: a\ndata:b\n\nevent: state\r\ndata: x\r\n\r\nretry: 5\n\nevent: end\n\nda";

    fn event(name: &str, data: &str, id: Option<u64>) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id,
        }
    }

    #[test]
    fn events_are_read_wherever_the_bytes_are_cut() {
        let expected = [
            event("message", "a\nb", Some(1)),
            event("state", "x", None),
            event("end", "", None),
        ];
        assert_eq!(Parser::default().feed(STREAM.as_bytes()), expected);
        let mut parser = Parser::default();
        let single: Vec<Event> = STREAM
            .bytes()
            .flat_map(|byte| parser.feed(&[byte]))
            .collect();
        assert_eq!(single, expected);
    }
}
