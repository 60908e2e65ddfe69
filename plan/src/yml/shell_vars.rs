//! Splits `A=1 B="two words"` into names and values, quotes kept.
//!
//! Rules, quirks included: svenfuchs/sh_vars, `lib/sh_vars/string.rb`. An unquoted `$(` or `${` takes the rest of the text; a pair
//! wholly in double quotes keeps its first word only.

/// Substitutions in substitutions before we give up.
const MAX_DEPTH: usize = 64;

/// The text cannot be split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Names and values in order.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, Unreadable> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut scanner = Scanner {
        rest: text,
        quotes: Vec::new(),
        depth: 0,
    };
    let mut pairs = vec![scanner.pair()?];
    while scanner.space().is_some() {
        pairs.push(scanner.pair()?);
    }
    if scanner.rest.is_empty() {
        Ok(pairs.into_iter().flatten().collect())
    } else {
        Err(Unreadable)
    }
}

struct Scanner<'t> {
    rest: &'t str,
    /// Quotes open at this point: their text.
    quotes: Vec<&'static str>,
    depth: usize,
}

type Part = Result<Option<String>, Unreadable>;

impl<'t> Scanner<'t> {
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, good: impl Fn(char) -> bool) -> Option<&'t str> {
        let length = self.rest.find(|c| !good(c)).unwrap_or(self.rest.len());
        (length > 0).then(|| self.take(length))
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.take(text.len());
        }
        found
    }

    fn space(&mut self) -> Option<&'t str> {
        self.take_while(char::is_whitespace)
    }

    fn pair(&mut self) -> Result<Option<(String, String)>, Unreadable> {
        if let Some(quoted) = self.double_quoted()? {
            let inner = unquote(&quoted)?;
            let mut scanner = Scanner {
                rest: &inner,
                quotes: Vec::new(),
                depth: self.depth + 1,
            };
            return if self.depth > MAX_DEPTH {
                Err(Unreadable)
            } else {
                scanner.pair()
            };
        }
        let Some(name) = self.take_while(|c| !c.is_whitespace() && c != '=') else {
            return Ok(None);
        };
        let mut value = String::new();
        if self.skip("=") {
            while let Some(part) = self.value()? {
                value.push_str(&part);
            }
        }
        Ok(Some((name.to_owned(), value)))
    }

    /// Values and space up to where neither goes on.
    fn values(&mut self) -> Result<String, Unreadable> {
        let mut all = String::new();
        loop {
            if let Some(part) = self.value()? {
                all.push_str(&part);
            } else if let Some(space) = self.space() {
                all.push_str(space);
            } else {
                return Ok(all);
            }
        }
    }

    fn value(&mut self) -> Part {
        if let Some(part) = self.substitution()? {
            return Ok(Some(part));
        }
        match self.quoted()? {
            Some(part) => Ok(Some(part)),
            None => Ok(self.word()),
        }
    }

    fn substitution(&mut self) -> Part {
        let (open, close) = match self.rest.get(..2) {
            Some("$(") => ("$(", ")"),
            Some("${") => ("${", "}"),
            _ => return Ok(None),
        };
        self.take(2);
        self.enter()?;
        let mut text = open.to_owned();
        text.push_str(&self.values()?);
        self.depth -= 1;
        if self.skip(close) {
            text.push_str(close);
        }
        Ok(Some(text))
    }

    fn enter(&mut self) -> Result<(), Unreadable> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            Err(Unreadable)
        } else {
            Ok(())
        }
    }

    fn quoted(&mut self) -> Part {
        if let Some(part) = self.double_quoted()? {
            return Ok(Some(part));
        }
        for quote in ["'", "`"] {
            if self.skip(quote) {
                let body = self
                    .take_while(|c| !quote.starts_with(c))
                    .unwrap_or_default();
                return if self.skip(quote) {
                    Ok(Some(format!("{quote}{body}{quote}")))
                } else {
                    Err(Unreadable)
                };
            }
        }
        Ok(None)
    }

    fn double_quoted(&mut self) -> Part {
        let quote = match self.quotes.len() {
            0 => "\"",
            1 => "\\\\\"",
            _ => return Ok(None),
        };
        if !self.skip(quote) {
            return Ok(None);
        }
        self.enter()?;
        self.quotes.push(quote);
        let mut text = quote.to_owned();
        self.quoted_text(&mut text);
        text.push_str(&self.values()?);
        self.quoted_text(&mut text);
        self.quotes.pop();
        self.depth -= 1;
        if !self.skip(quote) {
            return Err(Unreadable);
        }
        text.push_str(quote);
        Ok(Some(text))
    }

    /// Text in quotes up to a quote or a backslash that escapes no quote.
    fn quoted_text(&mut self, text: &mut String) {
        loop {
            if let Some(part) = self.take_while(|c| c != '"' && c != '\\') {
                text.push_str(part);
            } else if self.skip("\\\"") {
                text.push_str("\\\"");
            } else {
                return;
            }
        }
    }

    fn word(&mut self) -> Option<String> {
        let mut word = String::new();
        while !self
            .quotes
            .last()
            .is_some_and(|quote| self.rest.starts_with(quote))
        {
            let mut letters = self.rest.chars();
            let Some(first) = letters.next() else { break };
            let second = letters.next();
            let length = match (first, second) {
                ('\\', Some(second)) if second != '\n' => 1 + second.len_utf8(),
                ('"' | '\'' | '`', _) | ('$', Some('{' | '(')) => break,
                (first, _) if first.is_whitespace() => break,
                (first, _) => first.len_utf8(),
            };
            word.push_str(self.take(length));
        }
        (!word.is_empty()).then_some(word)
    }
}

/// The inside of a pair in double quotes; a backslash may only escape a quote.
fn unquote(quoted: &str) -> Result<String, Unreadable> {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(Unreadable)?;
    let plain = inner.replace("\\\"", "\"");
    if inner.replace("\\\"", "").contains(['\\', '"']) {
        Err(Unreadable)
    } else {
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<Vec<(String, String)>> {
        parse(text).ok()
    }

    fn pairs(expected: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(
            expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn splits_at_white_space_outside_quotes() {
        let cases: [(&str, &[(&str, &str)]); 10] = [
            ("A=1 B=2", &[("A", "1"), ("B", "2")]),
            (
                "A='x y'z B=`date` C=a=b",
                &[("A", "'x y'z"), ("B", "`date`"), ("C", "a=b")],
            ),
            ("A= B=1", &[("A", ""), ("B", "1")]),
            ("A=1 B", &[("A", "1"), ("B", "")]),
            ("A=\"$(x y)\" B=1", &[("A", "\"$(x y)\""), ("B", "1")]),
            ("A=$X/$Y B=1", &[("A", "$X/$Y"), ("B", "1")]),
            ("A=${X} B=1", &[("A", "${X} B=1")]),
            ("\"A=1 2\" B=3", &[("A", "1"), ("B", "3")]),
            ("A=a\\ b B=1", &[("A", "a\\ b"), ("B", "1")]),
            ("A=\"say \\\"x\\\"\"", &[("A", "\"say \\\"x\\\"\"")]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), pairs(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_split() {
        for text in [
            "A = 1",
            "A=\"x",
            "A='x",
            &format!("A={}", "$(".repeat(100_000)),
        ] {
            assert_eq!(parse(text), Err(Unreadable));
        }
    }
}
