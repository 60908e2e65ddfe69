//! Text to expression, by recursive descent; quirks of the original kept (keywords need no word boundary).

use super::{ConditionError, MAX_DEPTH};

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    Not(Box<Expr>),
    /// At least one of them.
    Any(Vec<Expr>),
    /// Each of them.
    All(Vec<Expr>),
    /// `=`, or `!=` when the flag is set; the right side may be missing.
    Equal(Box<Expr>, Box<Expr>, bool),
    /// `=~`, or `!~` when the flag is set; nothing on the right never matches.
    Match(Box<Expr>, Option<Box<Expr>>, bool),
    In(Box<Expr>, Vec<Expr>, bool),
    Is(Box<Expr>, Predicate, bool),
    Text(String),
    Attribute(&'static str),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predicate {
    Present,
    Blank,
    True,
    False,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Env,
    Concat,
}

/// Longer names stand after their beginnings on purpose: the first that fits is taken, and then needs a boundary.
const ATTRIBUTES: [&str; 15] = [
    "type",
    "repo",
    "head_repo",
    "os",
    "dist",
    "group",
    "sudo",
    "language",
    "sender",
    "fork",
    "draft",
    "branch",
    "head_branch",
    "tag",
    "commit_message",
];

pub(super) fn parse(text: &str) -> Result<Expr, ConditionError> {
    let text = join_lines(text);
    let mut parser = Parser {
        text: &text,
        pos: 0,
        depth: 0,
    };
    let expr = parser.expr()?;
    if parser.pos < text.len() {
        return Err(parser.expected("the end"));
    }
    Ok(expr)
}

/// A backslash, white space and a line end become one space.
fn join_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let blank = after.len() - after.trim_start().len();
        match after[..blank].rfind(['\n', '\r']) {
            Some(end) => {
                out.push(' ');
                rest = &after[end + 1..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

struct Parser<'t> {
    text: &'t str,
    pos: usize,
    depth: usize,
}

type Parsed<T> = Result<T, ConditionError>;

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    fn expected(&self, expected: &'static str) -> ConditionError {
        ConditionError::Parse {
            expected,
            offset: self.pos,
            text: self.text.to_owned(),
        }
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.pos += rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
                .len();
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self
            .rest()
            .as_bytes()
            .get(..token.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(token.as_bytes()));
        if found {
            self.pos += token.len();
        }
        found
    }

    /// The first of `tokens` that comes next, space around it skipped.
    fn any_of<T: Copy>(&mut self, tokens: &[(&str, T)]) -> Option<T> {
        self.space();
        let found = tokens
            .iter()
            .find(|(token, _)| self.skip(token))
            .map(|(_, value)| *value);
        if found.is_some() {
            self.space();
        }
        found
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ConditionError::TooDeep(MAX_DEPTH));
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn expr(&mut self) -> Parsed<Expr> {
        let first = self.conjunction()?;
        let mut all = vec![first];
        while self.any_of(&[("or", ()), ("||", ())]).is_some() {
            all.push(self.conjunction()?);
        }
        Ok(single_or(all, Expr::Any))
    }

    fn conjunction(&mut self) -> Parsed<Expr> {
        let first = self.operation()?;
        let mut all = vec![first];
        while self.any_of(&[("and", ()), ("&&", ())]).is_some() {
            all.push(self.operation()?);
        }
        Ok(single_or(all, Expr::All))
    }

    fn operation(&mut self) -> Parsed<Expr> {
        self.space();
        if self.skip("(") {
            let inner = self.deeper(Self::expr)?;
            self.close()?;
            return Ok(inner);
        }
        if self.any_of(&[("not", ()), ("!", ())]).is_some() {
            let inner = self.deeper(Self::operation)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        self.term()
    }

    fn close(&mut self) -> Parsed<()> {
        self.space();
        if !self.skip(")") {
            return Err(self.expected("\")\""));
        }
        self.space();
        Ok(())
    }

    fn term(&mut self) -> Parsed<Expr> {
        let left = self.operand()?.ok_or_else(|| self.expected("an operand"))?;
        if let Some(negated) = self.any_of(&[("in", false), ("not in", true)]) {
            let list = self
                .list_in_parens()?
                .ok_or_else(|| self.expected("a list of values"))?;
            if list.is_empty() {
                return Err(self.expected("a list of values"));
            }
            return Ok(Expr::In(Box::new(left), list, negated));
        }
        if let Some(negated) = self.any_of(&[("is not", true), ("is", false)]) {
            let predicates = [
                ("present", Predicate::Present),
                ("blank", Predicate::Blank),
                ("true", Predicate::True),
                ("false", Predicate::False),
            ];
            if let Some(predicate) = self.any_of(&predicates) {
                return Ok(Expr::Is(Box::new(left), predicate, negated));
            }
        }
        if let Some(negated) = self.any_of(&[("=~", false), ("~=", false), ("!~", true)]) {
            let regex = self.regex()?.map(Box::new);
            return Ok(Expr::Match(Box::new(left), regex, negated));
        }
        if let Some(negated) = self.any_of(&[("==", false), ("=", false), ("!=", true)]) {
            let right = self.operand()?.ok_or_else(|| self.expected("an operand"))?;
            return Ok(Expr::Equal(Box::new(left), Box::new(right), negated));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Parsed<Option<Expr>> {
        self.space();
        let operand = self.value()?;
        self.space();
        Ok(operand)
    }

    /// An attribute, a call, a quoted text or a word.
    fn value(&mut self) -> Parsed<Option<Expr>> {
        if let Some(name) = self.attribute() {
            return Ok(Some(Expr::Attribute(name)));
        }
        if let Some(call) = self.call()? {
            return Ok(Some(call));
        }
        if let Some(text) = self.quoted()? {
            return Ok(Some(Expr::Text(text)));
        }
        self.word()
    }

    fn attribute(&mut self) -> Option<&'static str> {
        let name = *ATTRIBUTES
            .iter()
            .find(|name| self.rest().starts_with(**name))?;
        let after = self.rest()[name.len()..].chars().next();
        let boundary =
            after.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, ',' | '=' | ')' | '|'));
        if !boundary {
            return None;
        }
        self.pos += name.len();
        Some(name)
    }

    /// A function's name without a parenthesis after it is used up all the same, as in the original.
    fn call(&mut self) -> Parsed<Option<Expr>> {
        let Some(function) = self.any_of(&[("env", Function::Env), ("concat", Function::Concat)])
        else {
            return Ok(None);
        };
        Ok(self
            .list_in_parens()?
            .map(|list| Expr::Call(function, list)))
    }

    fn list_in_parens(&mut self) -> Parsed<Option<Vec<Expr>>> {
        self.space();
        if !self.skip("(") {
            return Ok(None);
        }
        self.space();
        let list = self.deeper(Self::list)?;
        self.close()?;
        Ok(Some(list))
    }

    fn list(&mut self) -> Parsed<Vec<Expr>> {
        let mut items = Vec::new();
        while let Some(item) = self.value()? {
            items.push(item);
            self.space();
            if !self.skip(",") {
                break;
            }
            self.space();
        }
        self.skip(",");
        Ok(items)
    }

    fn quoted(&mut self) -> Parsed<Option<String>> {
        let Some(quote) = self
            .rest()
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
        else {
            return Ok(None);
        };
        self.pos += 1;
        let Some(length) = self.rest().find(quote) else {
            self.pos = self.text.len();
            return Err(self.expected("a closing quote"));
        };
        let text = self.rest()[..length].to_owned();
        self.pos += length + 1;
        Ok(Some(text))
    }

    fn word(&mut self) -> Parsed<Option<Expr>> {
        self.space();
        let rest = self.rest();
        let ends = |c: char| {
            c.is_ascii_whitespace() || matches!(c, '(' | ')' | '"' | '\'' | ',' | '=' | '!')
        };
        let length = rest.find(ends).unwrap_or(rest.len());
        if length == 0 {
            return Ok(None);
        }
        if rest.starts_with('$') {
            return Err(ConditionError::Shell {
                offset: self.pos,
                text: self.text.to_owned(),
            });
        }
        self.pos += length;
        let word = Expr::Text(rest[..length].to_owned());
        self.space();
        Ok(Some(word))
    }

    fn regex(&mut self) -> Parsed<Option<Expr>> {
        if let Some(call) = self.call()? {
            return Ok(Some(call));
        }
        self.space();
        let rest = self.rest();
        let length = if rest.starts_with('/') {
            slashed(rest)
        } else {
            bare(rest)
        };
        if length == 0 {
            return Ok(None);
        }
        self.pos += length;
        let regex = rest[..length].trim_end();
        let regex = regex.strip_prefix('/').unwrap_or(regex);
        let regex = regex.strip_suffix('/').unwrap_or(regex);
        self.space();
        Ok(Some(Expr::Text(regex.to_owned())))
    }
}

fn single_or(mut all: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            join(all)
        }
        None => join(all),
    }
}

/// Length of `/…/`, or of all the rest if no slash closes it.
fn slashed(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'/' if !escaped => return place + 1,
            b'\\' => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Length of what goes on to white space and doesn't end with a parenthesis.
fn bare(text: &str) -> usize {
    let length = text
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(text.len());
    text[..length].trim_end_matches(')').len()
}
