//! Durations and sizes as people write them: `10m`, `1h30m`, `4.5MB`, `2GiB`.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Units of time, largest first, in milliseconds.
const TIMES: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Units of size in bytes. Powers of 1000 and of 1024, as their names say.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// What is wrong with a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// No unit after a number.
    #[error("{0:?} has no unit (write 10s, 10m or 2h)")]
    NoUnit(String),
    /// Not number and unit.
    #[error("{0:?} is not a duration (write 10s, 10m, 1h30m or 90d)")]
    Duration(String),
    /// Not number and unit.
    #[error("{0:?} is not a size (write 4500000, 4.5MB or 2GiB)")]
    Size(String),
}

/// A duration of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(Duration);

impl Span {
    /// So many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Span(Duration::from_secs(seconds))
    }

    /// As the standard library has it.
    pub(crate) const fn duration(self) -> Duration {
        self.0
    }

    /// Reads numbers with units, one after another.
    pub(crate) fn parse(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Duration(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            if letters == 0 && rest.is_empty() {
                return Err(UnitError::NoUnit(text.to_owned()));
            }
            let unit = &rest[..letters];
            let (_, factor) = TIMES
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(bad)?;
            let part = number.checked_mul(*factor).ok_or_else(bad)?;
            total = total.checked_add(part).ok_or_else(bad)?;
            rest = rest[letters..].trim_start();
        }
        Ok(Span(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        // Weeks are left out: people say 90d.
        for (name, factor) in &TIMES[1..] {
            let count = rest / factor;
            if count > 0 {
                write!(f, "{count}{name}")?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number of bytes of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(u64);

impl Size {
    /// So many bytes.
    pub(crate) const fn of(bytes: u64) -> Self {
        Size(bytes)
    }

    /// The number of bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a number with or without a unit; at most nine decimal places.
    pub(crate) fn parse(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size(text.to_owned());
        let text_ = text.trim();
        let split = text_
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text_.len());
        let (number, unit) = (text_[..split].trim_end(), &text_[split..]);
        let factor = match unit {
            "" => 1,
            unit => {
                SIZES
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                    .ok_or_else(bad)?
                    .1
            }
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || !digits(whole)
            || !digits(decimals)
            || decimals.len() > 9
            || number.ends_with('.')
        {
            return Err(bad());
        }
        let whole: u128 = whole.parse().map_err(|_| bad())?;
        let scale = 10u128.pow(u32::try_from(decimals.len()).map_err(|_| bad())?);
        let decimals: u128 = if decimals.is_empty() {
            0
        } else {
            decimals.parse().map_err(|_| bad())?
        };
        let bytes = whole
            .saturating_mul(u128::from(factor))
            .saturating_add(decimals * u128::from(factor) / scale);
        u64::try_from(bytes).map(Size).map_err(|_| bad())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SIZES
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match whole {
            Some((name, factor)) if *factor > 1 => write!(f, "{}{name}", self.0 / factor),
            _ => self.0.fmt(f),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Result<u64, UnitError> {
        Span::parse(text).map(|span| u64::try_from(span.0.as_millis()).unwrap())
    }

    #[test]
    fn durations_are_read_and_written() {
        assert_eq!(span("10m"), Ok(600_000));
        assert_eq!(span("1h30m"), Ok(5_400_000));
        assert_eq!(span("1h 30m"), Ok(5_400_000));
        assert_eq!(span("250ms"), Ok(250));
        assert_eq!(span("90d"), Ok(90 * 86_400_000));
        assert_eq!(span("0s"), Ok(0));
        for text in ["0s", "250ms", "10s", "10m", "1h30m", "90d", "1d1h"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Span::parse("1w").unwrap().to_string(), "7d");
    }

    #[test]
    fn bad_durations_say_why() {
        assert_eq!(span("10"), Err(UnitError::NoUnit("10".into())));
        for text in [
            "",
            "m",
            "-1s",
            "10x",
            "10 minutes",
            "1.5h",
            "99999999999999w",
        ] {
            assert_eq!(span(text), Err(UnitError::Duration(text.into())), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(Size::parse("4500000"), Ok(Size(4_500_000)));
        assert_eq!(Size::parse("4.5MB"), Ok(Size(4_500_000)));
        assert_eq!(Size::parse("4.5 MB"), Ok(Size(4_500_000)));
        assert_eq!(Size::parse("2GiB"), Ok(Size(2 << 30)));
        assert_eq!(Size::parse("1.5kib"), Ok(Size(1536)));
        assert_eq!(Size::parse("0"), Ok(Size(0)));
        for text in ["2GiB", "64kB", "1536", "0", "7"] {
            assert_eq!(
                Size::parse(&Size::parse(text).unwrap().to_string()),
                Size::parse(text)
            );
        }
        assert_eq!(Size(2 << 30).to_string(), "2GiB");
        assert_eq!(Size(4_500_000).to_string(), "4500kB");
    }

    #[test]
    fn bad_sizes_say_why() {
        for text in [
            "",
            "MB",
            "4.",
            ".5MB",
            "4,5MB",
            "-1",
            "10 parsecs",
            "99999999999TiB",
            "1.0000000001kB",
        ] {
            assert_eq!(
                Size::parse(text),
                Err(UnitError::Size(text.into())),
                "{text}"
            );
        }
    }
}
