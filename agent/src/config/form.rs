//! The forms of single values of `assay.yml`: each reads one, or says what was expected and what is there.

use std::net::SocketAddr;
use std::path::PathBuf;

use assay_plan::{DebugConsent, Slug};
use serde_yaml::Value;

use super::reader::kind;
use super::{HOST_IMAGE, ImageChoice, JobProfile, Size, Span, nearest};

pub(super) const PROFILES: [(&str, JobProfile); 2] =
    [("strict", JobProfile::Strict), ("root", JobProfile::Root)];

pub(super) fn image_name(value: &Value) -> Result<String, String> {
    let name = text(value, "the name of an image")?;
    match assay_sandbox::Images::check_name(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn host_name(value: &Value) -> Result<String, String> {
    text(value, "a host, with or without a port")
}

/// An image's name, or its name and a profile.
pub(super) fn image_choice(value: &Value) -> Result<ImageChoice, String> {
    let Value::Mapping(map) = value else {
        return Ok(ImageChoice {
            image: image_name(value)?,
            profile: JobProfile::Strict,
        });
    };
    let mut made = ImageChoice::default();
    for (key, value) in map {
        match key.as_str() {
            Some("image") => made.image = image_name(value)?,
            Some("profile") => made.profile = choice(value, &PROFILES)?,
            _ => return Err("only image and profile can be said of an image".to_owned()),
        }
    }
    if made.image == HOST_IMAGE && made.profile == JobProfile::Root {
        return Err("profile root needs an imported image".to_owned());
    }
    Ok(made)
}

/// YAML readers take a plain `on` or `off` for a truth value, or for a word.
pub(super) fn consent(value: &Value) -> Result<DebugConsent, String> {
    match value {
        Value::Bool(true) => Ok(DebugConsent::On),
        Value::Bool(false) => Ok(DebugConsent::Off),
        other => {
            let names = DebugConsent::ALL.map(|consent| (consent.name(), consent));
            choice(other, &names)
        }
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("expected true or false, found {}", kind(value)))
}

pub(super) fn text(value: &Value, what: &str) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("expected {what}, found {}", kind(value)))
}

pub(super) fn number(value: &Value, least: u64, most: u64) -> Result<u64, String> {
    match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!(
            "expected a whole number from {least} to {most}, found {}",
            kind(value)
        )),
    }
}

/// A number of things.
pub(super) fn count(value: &Value, most: u64) -> Result<usize, String> {
    number(value, 1, most)
        .and_then(|count| usize::try_from(count).map_err(|error| error.to_string()))
}

pub(super) fn small(value: &Value, least: u32, most: u32) -> Result<u32, String> {
    number(value, least.into(), most.into())
        .and_then(|number| u32::try_from(number).map_err(|error| error.to_string()))
}

pub(super) fn span(value: &Value) -> Result<Span, String> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        other => text(other, "a duration such as 10m")?,
    };
    Span::parse(&written).map_err(|error| error.to_string())
}

pub(super) fn span_above_zero(value: &Value) -> Result<Span, String> {
    let span = span(value)?;
    if span.duration().is_zero() {
        Err("must be longer than zero".to_owned())
    } else {
        Ok(span)
    }
}

pub(super) fn size(value: &Value) -> Result<Size, String> {
    match size_or_none(value) {
        Ok(size) if size.bytes() == 0 => Err("must be more than zero".to_owned()),
        result => result,
    }
}

/// Room for a file system, and for something in it.
pub(super) fn scratch(value: &Value) -> Result<Size, String> {
    match size(value)? {
        size if size.bytes() < 64 << 20 => Err("must be at least 64MiB".to_owned()),
        size => Ok(size),
    }
}

pub(super) fn size_or_none(value: &Value) -> Result<Size, String> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        other => text(other, "a size such as 2GiB")?,
    };
    Size::parse(&written).map_err(|error| error.to_string())
}

pub(super) fn path(value: &Value) -> Result<PathBuf, String> {
    let path = PathBuf::from(text(value, "an absolute path")?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!(
            "{:?} is not an absolute path",
            path.display().to_string()
        ))
    }
}

pub(super) fn slug(value: &Value) -> Result<Slug, String> {
    Slug::parse(&text(value, "owner/name")?).map_err(|error| error.to_string())
}

pub(super) fn address(value: &Value) -> Result<SocketAddr, String> {
    parse_address(&text(value, "an address such as 127.0.0.1:27729")?)
}

/// Reads `ADDRESS:PORT`; `localhost` is understood, other names are not looked up.
pub(crate) fn parse_address(written: &str) -> Result<SocketAddr, String> {
    let numeric = match written.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => written.to_owned(),
    };
    numeric.parse().map_err(|_| {
        format!("{written:?} is not an address with a port, such as 127.0.0.1:27729 or [::1]:27729")
    })
}

pub(super) fn web(value: &Value) -> Result<String, String> {
    let written = text(value, "an address such as https://ci.example.org")?;
    let good = reqwest::Url::parse(&written).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if good {
        Ok(written.trim_end_matches('/').to_owned())
    } else {
        Err(format!(
            "{written:?} is not an address such as https://ci.example.org"
        ))
    }
}

pub(super) fn list<T>(
    value: &Value,
    item: impl Fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value.as_sequence() {
        Some(items) => items.iter().map(item).collect(),
        None => Err(format!("expected a list, found {}", kind(value))),
    }
}

pub(super) fn choice<T: Copy>(value: &Value, choices: &[(&'static str, T)]) -> Result<T, String> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let written = text(value, &format!("one of {}", names.join(", ")))?;
    match choices.iter().find(|(name, _)| *name == written) {
        Some((_, choice)) => Ok(*choice),
        None => match nearest(&written, &names) {
            Some(near) => Err(format!("{written:?} is not known; did you mean {near:?}?")),
            None => Err(format!(
                "{written:?} is not known; choose one of {}",
                names.join(", ")
            )),
        },
    }
}
