//! Plain scalars that YAML 1.1 as Ruby reads it takes for something else than text, and serde_yaml doesn't.
//!
//! Rules: psych, `scalar_scanner.rb`, and travis-ci/travis-yml, `support/yaml.rb` (which keeps floats, times and all that
//! contains a lower-case `yes`, `no`, `on` or `off` as text).

use super::node::Node;

/// The value of a plain scalar that serde_yaml took for text.
pub(super) fn resolve(text: &str) -> Node {
    special(text).unwrap_or_else(|| Node::Str(text.into()))
}

fn special(text: &str) -> Option<Node> {
    match text.as_bytes().first()? {
        b':' => symbol(text),
        b'0'..=b'9' | b'+' | b'-' => number(text),
        b'y' | b'Y' | b't' | b'T' | b'o' | b'O' | b'n' | b'N' | b'f' | b'F' if text.len() <= 5 => {
            word(text)
        }
        _ => None,
    }
}

fn symbol(text: &str) -> Option<Node> {
    let name = text.strip_prefix(':').filter(|name| !name.is_empty())?;
    let quoted = |quote: char| {
        name.strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    Some(Node::Str(
        quoted('"').or_else(|| quoted('\'')).unwrap_or(name).into(),
    ))
}

fn word(text: &str) -> Option<Node> {
    if ["yes", "no", "on", "off"]
        .iter()
        .any(|kept| text.contains(kept))
    {
        return None;
    }
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["yes", "true", "on"]) {
        Some(Node::Bool(true))
    } else if is(&["no", "false", "off"]) {
        Some(Node::Bool(false))
    } else if is(&["null"]) {
        Some(Node::Null)
    } else {
        None
    }
}

fn number(text: &str) -> Option<Node> {
    if text.contains(':') {
        return base_sixty(text);
    }
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let filler = |b: u8| b == b'_' || b == b',';
    let (radix, body) = if let Some(rest) = digits.strip_prefix("0x") {
        (16, all(rest, |b| b.is_ascii_hexdigit() || filler(b))?)
    } else if let Some(rest) = digits.strip_prefix("0b") {
        (2, all(rest, |b| matches!(b, b'0' | b'1') || filler(b))?)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (
            8,
            all(&digits[1..], |b| matches!(b, b'0'..=b'7') || filler(b))?,
        )
    } else {
        (10, grouped(digits)?)
    };
    let body: String = body.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    let value = if body.is_empty() {
        0
    } else {
        i64::from_str_radix(&body, radix).ok()?
    };
    Some(Node::Int(if negative { -value } else { value }))
}

fn all(text: &str, good: impl Fn(u8) -> bool) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(good)).then_some(text)
}

/// Decimal digits, with single `_` or `,` between them.
fn grouped(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let good = |(place, b): (usize, &u8)| match b {
        b'0'..=b'9' => true,
        b'_' | b',' => place > 0 && bytes.get(place + 1).is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    (!bytes.is_empty() && bytes.iter().enumerate().all(good)).then_some(text)
}

/// `H:M` and `H:M:S`, with a fraction perhaps: both count from the hours.
fn base_sixty(text: &str) -> Option<Node> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if fraction.is_some_and(|digits| !digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')) {
        return None;
    }
    let parts: Vec<&str> = whole.split(':').collect();
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() || rest.len() > 2 || !rest.iter().all(|part| minutes(part)) {
        return None;
    }
    let unsigned = first.trim_start_matches(['-', '+']);
    if first.len() - unsigned.len() > 1
        || !unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return None;
    }
    let mut total: i64 = 0;
    for (part, weight) in parts.iter().zip([3600, 60, 1]) {
        let number: i64 = part.trim_start_matches('+').replace('_', "").parse().ok()?;
        total = total.checked_add(number.checked_mul(weight)?)?;
    }
    match fraction {
        None => Some(Node::Int(total)),
        Some(digits) => {
            let weight = if rest.len() == 1 { 60.0 } else { 1.0 };
            let part: f64 = format!("0.{}", digits.replace('_', ""))
                .parse()
                .unwrap_or_default();
            let total: f64 = total.to_string().parse::<f64>().ok()? + part * weight;
            Some(Node::Str(format!("{total:?}").into()))
        }
    }
}

fn minutes(part: &str) -> bool {
    match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Node::Int(number) => number.to_string(),
            Node::Bool(flag) => flag.to_string(),
            Node::Null => "null".to_owned(),
            Node::Str(text) => format!("{text:?}"),
            Node::Seq(_) | Node::Map(_) => "collection".to_owned(),
        }
    }

    #[test]
    fn numbers_of_yaml_1_1() {
        let cases = [
            ("010", "8"),
            ("08", "\"08\""),
            ("0x1f", "31"),
            ("1_000", "1000"),
            ("1,000", "1000"),
            ("1__0", "\"1__0\""),
            ("12:30:45", "45045"),
            ("1:30.5", "\"5430.0\""),
            ("8080:80", "\"8080:80\""),
            ("2019-01-01", "\"2019-01-01\""),
            ("-", "\"-\""),
            ("+", "\"+\""),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn words_of_yaml_1_1() {
        let cases = [
            ("Yes", "true"),
            ("YES", "true"),
            ("yes", "\"yes\""),
            ("Off", "false"),
            ("oN", "true"),
            ("on", "\"on\""),
            ("y", "\"y\""),
            (":foo", "\"foo\""),
            (":", "\":\""),
            ("nUll", "null"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
