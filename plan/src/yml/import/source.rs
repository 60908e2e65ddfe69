//! Where a file of a configuration stands: `owner/name:path.yml@ref`.

use std::fmt;

use crate::model::Slug;

/// A file of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigRef {
    /// The repository.
    pub slug: Slug,
    /// Path from the root of the repository, without `.` and `..`.
    pub path: String,
    /// Commit, branch or tag; `None` means the repository's default branch.
    pub at: Option<String>,
}

impl fmt::Display for ConfigRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.slug, self.path)?;
        match &self.at {
            Some(at) => write!(formatter, "@{at}"),
            None => Ok(()),
        }
    }
}

impl ConfigRef {
    /// Reads a source as it is written in the file `from`. A file of the same repository is that of the same commit,
    /// unless it says otherwise; `./` is the folder of the importing file.
    pub(super) fn parse(text: &str, from: &ConfigRef) -> Option<Self> {
        let text = text.trim();
        let (place, at) = match text.rsplit_once('@') {
            Some((place, at)) if is_ref(at) => (place, Some(at.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        let (slug, path) = match place.split_once(':') {
            Some((slug, path)) => (Slug::parse(slug).ok()?, path),
            None => (from.slug.clone(), place),
        };
        let is_local = slug == from.slug;
        let path = match path.strip_prefix("./") {
            Some(path) if is_local => {
                let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                clean(&format!("{folder}/{path}"))?
            }
            _ => clean(path)?,
        };
        path.ends_with(".yml").then(|| ConfigRef {
            path,
            at: at.or_else(|| from.at.clone().filter(|_| is_local)),
            slug,
        })
    }
}

/// Something that can be the name of a branch, a tag or a commit.
fn is_ref(text: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !text.is_empty() && !text.starts_with('-') && !text.contains("..") && !text.contains(is_odd)
}

/// The path without `.`, `..` and doubled slashes; none if it leads out of the repository.
fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    (!path.is_empty() && !path.contains(char::is_control)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from() -> ConfigRef {
        ConfigRef {
            slug: Slug::parse("acme/app").unwrap(),
            path: "ci/main.yml".to_owned(),
            at: Some("abc".to_owned()),
        }
    }

    #[test]
    fn sources_are_read_from_where_they_stand() {
        for (text, expected) in [
            ("a.yml", "acme/app:a.yml@abc"),
            ("./a.yml", "acme/app:ci/a.yml@abc"),
            ("./../a.yml", "acme/app:a.yml@abc"),
            ("sub/a.yml@v1", "acme/app:sub/a.yml@v1"),
            ("acme/app:a.yml", "acme/app:a.yml@abc"),
            ("acme/lib:a.yml", "acme/lib:a.yml"),
            ("acme/lib:./a.yml", "acme/lib:a.yml"),
            ("acme/lib:ci/a.yml@feature/x", "acme/lib:ci/a.yml@feature/x"),
        ] {
            let found = ConfigRef::parse(text, &from()).map(|found| found.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "a.yaml",
            "a.yml@",
            "a.yml@a b",
            "a.yml@-x",
            "../../a.yml",
            "acme:a.yml",
            "acme/lib",
            ":a.yml",
            "https://h/a.yml",
        ] {
            assert_eq!(ConfigRef::parse(text, &from()), None, "{text}");
        }
    }
}
