//! Submodules: `.gitmodules`, and which registered repository an address means.
//!
//! Nothing is ever fetched by address. An address only picks one of the registered repositories, and only if the
//! repository being built may read it; the commit named in the tree then fixes the content.

use std::path::{Component, Path, PathBuf};

use assay_plan::{Repository, Slug, Source, Visibility};
use gix::bstr::{BStr, BString, ByteSlice};

use super::error::{GitError, chain};
use super::tree::check_name;

/// One section of `.gitmodules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submodule {
    pub(super) name: String,
    pub(super) path: BString,
    pub(super) url: String,
}

/// Reads `.gitmodules`, refusing names, paths and addresses that are made to do harm.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Submodule>, GitError> {
    let broken = |what: String| GitError::Submodule {
        path: ".gitmodules".to_owned(),
        why: what,
    };
    let config = gix::config::File::from_bytes_no_includes(
        bytes,
        gix::config::file::Metadata::default(),
        gix::config::file::init::Options::default(),
    )
    .map_err(|error| broken(chain(&error)))?;
    let mut found: Vec<Submodule> = Vec::new();
    for section in config.sections_by_name("submodule").into_iter().flatten() {
        let Some(name) = section.header().subsection_name() else {
            continue;
        };
        let name = name
            .to_str()
            .map_err(|_| broken("a name is not UTF-8".to_owned()))?
            .to_owned();
        let (Some(path), Some(url)) = (section.value("path"), section.value("url")) else {
            continue;
        };
        let refused = |why: &str| GitError::Submodule {
            path: path.to_str_lossy().into_owned(),
            why: why.to_owned(),
        };
        check_path(name.as_bytes().as_bstr())
            .map_err(|why| refused(&format!("its name {name:?} is refused: {why}")))?;
        check_path(path.as_bstr())
            .map_err(|why| refused(&format!("its path is refused: {why}")))?;
        let url = url
            .to_str()
            .map_err(|_| refused("its address is not UTF-8"))?
            .to_owned();
        check_url(&url)
            .map_err(|why| refused(&format!("its address {url:?} is refused: {why}")))?;
        let nested =
            |other: &&Submodule| is_inside(&other.name, &name) || is_inside(&name, &other.name);
        if let Some(other) = found.iter().find(nested) {
            return Err(refused(&format!(
                "its name {name:?} collides with {:?}",
                other.name
            )));
        }
        found.push(Submodule {
            name,
            path: path.as_bstr().to_owned(),
            url,
        });
    }
    Ok(found)
}

/// Whether `inner` is `outer` or below it, as paths.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A relative path of harmless names.
fn check_path(path: &BStr) -> Result<(), String> {
    if path.starts_with(b"-") {
        return Err("it looks like an option".to_owned());
    }
    if path.iter().any(|byte| byte.is_ascii_control()) {
        return Err("it contains a control character".to_owned());
    }
    path.split_str("/")
        .try_for_each(|part| check_name(part.as_bstr(), false))
}

fn check_url(url: &str) -> Result<(), &'static str> {
    if url.starts_with('-') {
        return Err("it looks like an option");
    }
    if url.is_empty() || url.chars().any(char::is_control) {
        return Err("it is empty or contains a control character");
    }
    if url.contains("::") {
        return Err("it names a helper program");
    }
    let host = match url.split_once("://") {
        Some((scheme, rest)) => {
            if !["http", "https", "ssh", "git", "file"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
            {
                return Err("its scheme is none of http, https, ssh, git, file");
            }
            rest.rsplit_once('@').map_or(rest, |(_, host)| host)
        }
        None => url.rsplit_once('@').map_or(url, |(_, host)| host),
    };
    if host.starts_with('-') {
        Err("its host looks like an option")
    } else {
        Ok(())
    }
}

/// Finds the registered repository that `url`, written in repository `parent`, means, if `reader` may read it.
pub(super) fn resolve<'a>(
    url: &str,
    parent: &Repository,
    reader: &Repository,
    registered: &'a [Repository],
) -> Option<&'a Repository> {
    let may_read = |found: &&Repository| may_read(reader, found);
    if let Some(path) = host_path(url, parent) {
        let by_path = registered
            .iter()
            .filter(|other| source_path(other) == path)
            .find(may_read);
        if by_path.is_some() {
            return by_path;
        }
    }
    named(&slug(url, &parent.slug)?, reader, registered)
}

/// Finds the registered repository of this name, if `reader` may read it.
pub(super) fn named<'a>(
    slug: &Slug,
    reader: &Repository,
    registered: &'a [Repository],
) -> Option<&'a Repository> {
    registered
        .iter()
        .filter(|other| other.slug.as_str().eq_ignore_ascii_case(slug.as_str()))
        .find(|found| may_read(reader, found))
}

/// Readable by everyone; or of the same owner and shared with the reader; or the reader itself.
fn may_read(reader: &Repository, other: &Repository) -> bool {
    let same = |one: &str, two: &str| one.eq_ignore_ascii_case(two);
    other.id == reader.id
        || other.visibility == Visibility::Public
        || (same(other.slug.owner(), reader.slug.owner())
            && other
                .share
                .iter()
                .any(|slug| same(slug.as_str(), reader.slug.as_str())))
}

fn source_path(repository: &Repository) -> PathBuf {
    let Source::Path(path) = &repository.source;
    normal(Path::new(path))
}

/// Whether the address is relative to the repository it stands in.
fn is_relative(url: &str) -> bool {
    url.starts_with("./") || url.starts_with("../")
}

/// The folder on this host that an address means.
fn host_path(url: &str, parent: &Repository) -> Option<PathBuf> {
    if is_relative(url) {
        let Source::Path(base) = &parent.source;
        return Some(normal(&Path::new(base).join(url)));
    }
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| normal(Path::new(path)))
}

/// A path without `.`, `..`, a slash or `/.git` at the end, by its letters alone.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    if clean.ends_with(".git") {
        clean.pop();
    }
    clean
}

/// `owner/name` of an address: the last two parts of its path.
fn slug(url: &str, parent: &Slug) -> Option<Slug> {
    let joined;
    let path = if is_relative(url) {
        joined = normal(&Path::new("/").join(parent.as_str()).join(url));
        joined.to_str()?
    } else if let Some((_, rest)) = url.split_once("://") {
        rest.split_once('/')?.1
    } else if url.starts_with('/') {
        url
    } else {
        url.split_once(':')?.1
    };
    let path = path.trim_end_matches('/');
    let (rest, name) = path.rsplit_once('/')?;
    let owner = rest.rsplit('/').next()?;
    Slug::parse(&format!(
        "{owner}/{}",
        name.strip_suffix(".git").unwrap_or(name)
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use assay_plan::{RepoId, Time};

    use super::*;

    fn repository(id: u64, slug: &str, visibility: Visibility, share: &[&str]) -> Repository {
        Repository {
            id: RepoId(id),
            slug: Slug::parse(slug).unwrap(),
            source: Source::Path(format!("/srv/git/{slug}.git")),
            description: None,
            visibility,
            active: true,
            default_branch: None,
            share: share
                .iter()
                .map(|slug| Slug::parse(slug).unwrap())
                .collect(),
            debug: assay_plan::DebugConsent::Off,
            created_at: Time(0),
        }
    }

    #[test]
    fn addresses_lead_to_readable_repositories_only() {
        let app = repository(1, "acme/app", Visibility::Private, &[]);
        let all = [
            app.clone(),
            repository(2, "acme/lib", Visibility::Private, &["acme/app"]),
            repository(3, "acme/secret", Visibility::Private, &["acme/other"]),
            repository(4, "libs/zlib", Visibility::Public, &[]),
            repository(5, "evil/stranger", Visibility::Private, &["acme/app"]),
        ];
        let found = |url: &str| resolve(url, &app, &app, &all).map(|found| found.id.0);
        for url in [
            "../lib.git",
            "../lib",
            "/srv/git/acme/lib.git/",
            "file:///srv/git/acme/lib.git",
            "https://git.example.org/acme/lib.git",
            "git@git.example.org:acme/lib",
            "ssh://git@h:22/Acme/Lib.git",
        ] {
            assert_eq!(found(url), Some(2), "{url}");
        }
        assert_eq!(found("../../libs/zlib.git"), Some(4));
        for url in [
            "../secret.git",
            "/srv/git/acme/secret.git",
            "https://h/evil/stranger",
            "../nothing",
            "/etc",
        ] {
            assert_eq!(found(url), None, "{url}");
        }
    }

    #[test]
    fn harmful_modules_are_refused() {
        let module = |name: &str, path: &str, url: &str| {
            parse(format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n").as_bytes())
        };
        assert_eq!(
            module("libs/a", "libs/a", "../a.git").unwrap()[0].name,
            "libs/a"
        );
        for name in ["../../modules/x", "a/../b", "/abs", "-x", "a//b", ".git"] {
            assert!(module(name, "sub", "../a.git").is_err(), "{name}");
        }
        for path in ["\"sub\\r\"", "../x", "/x", "-x", ".git/x", "a/../b"] {
            assert!(module("m", path, "../a.git").is_err(), "{path}");
        }
        for url in [
            "-oProxyCommand=x",
            "--upload-pack=x",
            "ext::sh -c x",
            "ssh://-oProxyCommand=x/a/b",
            "fd::7",
        ] {
            assert!(module("m", "sub", url).is_err(), "{url}");
        }
    }
}
