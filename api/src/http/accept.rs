//! The `Accept` header: which answer the client likes best, and which version of the API it speaks.

/// Versions of the API that are served. They differ only in how hidden things are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2, and what asks for no version.
    V2,
    /// 2.1.
    V21,
}

/// A form of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`.
    Json,
    /// `application/json` with `chunked=true`: a log in parts.
    Chunked,
    /// `text/plain`.
    Text,
    /// `text/html`.
    Html,
}

impl Format {
    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Format::Json | Format::Chunked => ("application", "json"),
            Format::Text => ("text", "plain"),
            Format::Html => ("text", "html"),
        }
    }
}

/// One entry of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    subtype: String,
    /// `None` for a version that is not served.
    version: Option<Version>,
    chunked: bool,
    /// Quality in thousandths.
    quality: u16,
    parameters: usize,
}

/// The header, best entry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accept(Vec<Entry>);

/// Entries beyond this many are ignored.
const MAX_ENTRIES: usize = 32;

impl Accept {
    /// Reads a header; an empty one means anything.
    pub(crate) fn parse(header: &str) -> Self {
        let header = if header.trim().is_empty() {
            "*/*"
        } else {
            header
        };
        let mut entries: Vec<Entry> = header
            .split(',')
            .take(MAX_ENTRIES)
            .filter_map(Entry::parse)
            .collect();
        entries.sort_by_key(|entry| {
            (
                std::cmp::Reverse(entry.quality),
                entry.stars(),
                std::cmp::Reverse(entry.parameters),
            )
        });
        Accept(entries)
    }

    /// What a format suffix at the end of the path asks for, whatever the header says.
    pub(crate) fn of_suffix(suffix: &str) -> Self {
        Accept::parse(match suffix {
            "json" => "application/json",
            "txt" => "text/plain",
            "xml" => "application/xml",
            "atom" => "application/atom+xml",
            "png" => "image/png",
            _ => "image/svg+xml",
        })
    }

    /// Accepts nothing: the client speaks a version that is not served.
    pub(crate) fn nothing() -> Self {
        Accept(Vec::new())
    }

    /// The best of the offered formats; `None` means 406.
    pub(crate) fn pick(&self, offers: &[Format]) -> Option<Format> {
        self.0
            .iter()
            .find_map(|entry| offers.iter().copied().find(|offer| entry.takes(*offer)))
    }

    /// The version of the best entry that has one.
    pub(crate) fn version(&self) -> Version {
        self.0
            .iter()
            .find_map(|entry| entry.version)
            .unwrap_or(Version::V2)
    }

    /// Whether a page is liked better than data: only when HTML is named outright.
    pub(crate) fn prefers_html(&self) -> bool {
        self.0.iter().any(|entry| entry.subtype == "html")
            && self.pick(&[Format::Json, Format::Html]) == Some(Format::Html)
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split(';').map(str::trim);
        let (kind, subtype) = pieces.next()?.split_once('/')?;
        let (kind, subtype) = (
            kind.trim().to_ascii_lowercase(),
            subtype.trim().to_ascii_lowercase(),
        );
        let mut entry = Entry {
            kind,
            subtype,
            version: Some(Version::V2),
            chunked: false,
            quality: 1000,
            parameters: 0,
        };
        for (name, value) in pieces.filter_map(|piece| piece.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "q" => entry.quality = parse_quality(value),
                "version" => {
                    entry.version = parse_version(value);
                    entry.parameters += 1;
                }
                "chunked" => {
                    entry.chunked = value == "true";
                    entry.parameters += 1;
                }
                _ => entry.parameters += 1,
            }
        }
        if let Some(vendor) = entry.subtype.strip_prefix("vnd.travis-ci.") {
            let (version, format) = vendor.rsplit_once('+').unwrap_or((vendor, "json"));
            entry.version = parse_version(version);
            entry.subtype = format.to_owned();
        }
        (entry.quality > 0).then_some(entry)
    }

    fn stars(&self) -> u8 {
        u8::from(self.kind == "*") + u8::from(self.subtype == "*")
    }

    fn takes(&self, offer: Format) -> bool {
        let (kind, subtype) = offer.media_type();
        self.version.is_some()
            && (self.kind == "*" || self.kind == kind)
            && (self.subtype == "*" || self.subtype == subtype)
            && self.chunked == (offer == Format::Chunked)
    }
}

fn parse_version(text: &str) -> Option<Version> {
    match text {
        "2" | "2.0" => Some(Version::V2),
        "2.1" => Some(Version::V21),
        _ => None,
    }
}

/// Quality in thousandths; anything unreadable counts as 1.
fn parse_quality(text: &str) -> u16 {
    let value: f32 = text.parse().unwrap_or(1.0);
    let thousandths = (value.clamp(0.0, 1.0) * 1000.0).round();
    (0..=1000u16)
        .find(|n| f32::from(*n) >= thousandths)
        .unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(header: &str, offers: &[Format]) -> Option<Format> {
        Accept::parse(header).pick(offers)
    }

    #[test]
    fn every_spelling_of_version_2_is_json() {
        for header in [
            "",
            "*/*",
            "application/json",
            "application/vnd.travis-ci.2+json",
            "application/json; version=2",
            "application/vnd.travis-ci.2+json, */*; q=0.01",
            "application/vnd.travis-ci.2.1+json",
            "Application/JSON;version=\"2\"",
        ] {
            assert_eq!(
                pick(header, &[Format::Json]),
                Some(Format::Json),
                "{header}"
            );
        }
    }

    #[test]
    fn other_versions_and_types_are_not_acceptable() {
        for header in [
            "text/plain",
            "text/html",
            "application/vnd.travis-ci.3+json",
            "application/vnd.travis-ci.1+json",
            "application/json; version=3",
            "application/json; q=0",
            "nonsense",
        ] {
            assert_eq!(pick(header, &[Format::Json]), None, "{header}");
        }
    }

    #[test]
    fn the_vendor_version_wins_over_the_parameter() {
        assert_eq!(
            Accept::parse("application/vnd.travis-ci.2.1+json; version=2").version(),
            Version::V21
        );
    }

    #[test]
    fn travis_rb_gets_a_finished_log_as_plain_json() {
        let header =
            "application/json; chunked=true; version=2, application/json; version=2, text/plain";
        assert_eq!(
            pick(header, &[Format::Chunked, Format::Json, Format::Text]),
            Some(Format::Chunked)
        );
        assert_eq!(
            pick(header, &[Format::Json, Format::Text]),
            Some(Format::Json)
        );
    }

    #[test]
    fn quality_then_stars_then_parameters_decide() {
        assert_eq!(
            pick(
                "application/json; q=0.5, text/plain",
                &[Format::Json, Format::Text]
            ),
            Some(Format::Text)
        );
        assert_eq!(
            pick("*/*, text/plain", &[Format::Json, Format::Text]),
            Some(Format::Text)
        );
        assert_eq!(
            pick(
                "text/plain, application/json; version=2",
                &[Format::Json, Format::Text]
            ),
            Some(Format::Json)
        );
    }

    #[test]
    fn a_browser_prefers_html_and_curl_does_not() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert!(Accept::parse(browser).prefers_html());
        assert!(!Accept::parse("*/*").prefers_html());
        assert!(!Accept::parse("application/json, text/html;q=0.5").prefers_html());
    }
}
