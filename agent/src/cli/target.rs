//! What a person points at: a repository, by name or by where they stand, and a build or job, by number.

use std::path::Path;
use std::process::Command;

use super::args::RepoArg;
use super::client::{Build, Client, Job, OwnRepository, Repository, decode};
use crate::exit::{Exit, Failure};

/// A build or a job, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// `12`
    Build(u64),
    /// `12.3`
    Job(u64, u32),
}

impl Number {
    /// Reads `12`, `#12` or `12.3`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = || {
            Failure::usage(format!(
                "{text:?} is not the number of a build (12) or of a job (12.3)"
            ))
            .hint("assay builds lists them")
        };
        let digits = text.strip_prefix('#').unwrap_or(text);
        match digits.split_once('.') {
            None => digits.parse().map(Number::Build).map_err(|_| bad()),
            Some((build, job)) => Ok(Number::Job(
                build.parse().map_err(|_| bad())?,
                job.parse().map_err(|_| bad())?,
            )),
        }
    }
}

/// A build with its jobs, and the job that was meant, if one was.
#[derive(Debug)]
pub(crate) struct Found {
    /// The answer of the daemon, whole.
    pub(crate) raw: serde_json::Value,
    /// The build.
    pub(crate) build: Build,
    /// Its jobs, in matrix order.
    pub(crate) jobs: Vec<Job>,
    /// Place of the one that was named.
    pub(crate) job: Option<usize>,
}

impl Found {
    /// The job that was named.
    pub(crate) fn named_job(&self) -> Option<&Job> {
        self.job.and_then(|place| self.jobs.get(place))
    }
}

/// Finds a build or job of a repository; the newest build without a number.
pub(crate) fn find_build(
    client: &Client,
    repo: &Repository,
    number: Option<&str>,
) -> Result<Found, Failure> {
    let number = number.map(Number::parse).transpose()?;
    let mut query = vec![("repository_id", repo.id.to_string())];
    if let Some(Number::Build(build) | Number::Job(build, _)) = number {
        query.push(("number", build.to_string()));
    }
    let list: Vec<Build> = decode(&client.get("/builds", &query)?, "builds")?;
    let Some(first) = list.first() else {
        return Err(match number {
            Some(Number::Build(number) | Number::Job(number, _)) => Failure::new(
                Exit::NotFound,
                format!("{} has no build {number}", repo.slug),
            )
            .hint("assay builds lists them"),
            None => Failure::new(Exit::NotFound, format!("{} has no builds yet", repo.slug))
                .hint("push something, and look at assay requests if nothing comes of it"),
        });
    };
    let raw = client.get(&format!("/builds/{}", first.id), &[])?;
    let (build, jobs): (Build, Vec<Job>) = (decode(&raw, "build")?, decode(&raw, "jobs")?);
    let job = match number {
        Some(Number::Job(_, job)) => {
            let wanted = format!("{}.{job}", build.number);
            let place = jobs.iter().position(|job| job.number == wanted);
            Some(place.ok_or_else(|| {
                Failure::new(
                    Exit::NotFound,
                    format!("build {} has no job {wanted}", build.number),
                )
                .hint(format!("assay show {} lists its jobs", build.number))
            })?)
        }
        _ => None,
    };
    Ok(Found {
        raw,
        build,
        jobs,
        job,
    })
}

/// The repository that was named, or that the current folder stands for, or the only one there is.
pub(crate) fn find_repository(client: &Client, arg: &RepoArg) -> Result<Repository, Failure> {
    let here = std::env::current_dir().ok();
    find_repository_from(client, arg.repository.as_deref(), here.as_deref())
}

fn find_repository_from(
    client: &Client,
    named: Option<&str>,
    here: Option<&Path>,
) -> Result<Repository, Failure> {
    if let Some(slug) = named {
        return by_slug(client, slug)?.ok_or_else(|| no_repository(slug));
    }
    if let Some(here) = here {
        if let Some(slug) = git(here, &["config", "--get", "assay.slug"])
            .into_iter()
            .next()
        {
            return by_slug(client, &slug)?.ok_or_else(|| {
                no_repository(&slug)
                    .hint("this name is what the Git key assay.slug of this folder says")
            });
        }
        if let Some(found) = by_folder(client, here)? {
            return Ok(found);
        }
    }
    let all: Vec<Repository> = decode(&client.get("/repos", &[])?, "repos")?;
    match <[Repository; 1]>::try_from(all) {
        Ok([only]) => Ok(only),
        Err(all) if all.is_empty() => Err(Failure::new(Exit::NotFound, "there are no repositories")
            .hint("add one with assay repo add PATH, or check that your token may read it")),
        Err(_) => Err(Failure::usage("which repository?")
            .hint("name it with -r OWNER/NAME (assay repo list shows them), or git config assay.slug OWNER/NAME")),
    }
}

/// The repository that was named on the command line, without guessing.
pub(crate) fn named_repository(client: &Client, slug: &str) -> Result<Repository, Failure> {
    by_slug(client, slug)?.ok_or_else(|| no_repository(slug))
}

fn no_repository(slug: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no repository {slug}, or you may not read it"),
    )
    .hint("assay repo list shows those you may read")
}

fn by_slug(client: &Client, slug: &str) -> Result<Option<Repository>, Failure> {
    let slug = assay_plan::Slug::parse(slug).map_err(|error| Failure::usage(error.to_string()))?;
    match client.find(&format!("/repos/{slug}"), &[])? {
        Some(answer) => decode(&answer, "repo").map(Some),
        None => Ok(None),
    }
}

/// By the folder itself, or by where its remotes lead: `origin` first.
fn by_folder(client: &Client, here: &Path) -> Result<Option<Repository>, Failure> {
    let mut urls = git(here, &["config", "--get-regexp", r"^remote\..*\.url$"]);
    urls.sort_by_key(|line| !line.starts_with("remote.origin.url "));
    let urls: Vec<&str> = urls
        .iter()
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect();
    if client.is_local() {
        let folders = git(
            here,
            &[
                "rev-parse",
                "--path-format=absolute",
                "--git-dir",
                "--show-toplevel",
            ],
        );
        let places = folders
            .iter()
            .map(String::as_str)
            .chain(urls.iter().copied());
        let places: Vec<_> = places.filter_map(|place| local_path(here, place)).collect();
        if let Some(found) = by_path(client, &places)? {
            return Ok(Some(found));
        }
    }
    for url in urls {
        if let Some(slug) = slug_of_url(url)
            && let Some(found) = by_slug(client, &slug)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn by_path(client: &Client, places: &[std::path::PathBuf]) -> Result<Option<Repository>, Failure> {
    if places.is_empty() {
        return Ok(None);
    }
    // Only admins see paths; for others the name has to do.
    let Ok(answer) = client.get("/assay/repos", &[]) else {
        return Ok(None);
    };
    let all: Vec<OwnRepository> = decode(&answer, "repos")?;
    for repo in all {
        let path = repo
            .path
            .as_deref()
            .and_then(|path| std::fs::canonicalize(path).ok());
        if path.is_some_and(|path| places.contains(&path)) {
            return by_slug(client, &repo.slug);
        }
    }
    Ok(None)
}

fn local_path(here: &Path, place: &str) -> Option<std::path::PathBuf> {
    let path = place.strip_prefix("file://").unwrap_or(place);
    std::fs::canonicalize(here.join(path)).ok()
}

/// The last two parts of a remote's address: `git@host:team/app.git` is `team/app`.
fn slug_of_url(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        // The short SSH form, host:path.
        None => url.split_once(':').map_or(url, |(_, path)| path),
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut parts = path.rsplit('/');
    let (name, owner) = (parts.next()?, parts.next()?);
    assay_plan::Slug::parse(&format!("{owner}/{name}"))
        .ok()
        .map(|slug| slug.to_string())
}

/// Lines that git prints about the folder; none if it has nothing to say or isn't there.
fn git(here: &Path, args: &[&str]) -> Vec<String> {
    let output = Command::new("git").arg("-C").arg(here).args(args).output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cli::client::fake::{Server, answer};

    fn ok(body: &str) -> String {
        answer("200 OK", body)
    }

    fn find(
        answers: Vec<String>,
        named: Option<&str>,
        here: Option<&Path>,
    ) -> Result<String, Failure> {
        let server = Server::answering(answers);
        let found = find_repository_from(&server.client(), named, here);
        server.seen();
        found.map(|repo| repo.slug)
    }

    const A_B: &str = r#"{"repo": {"id": 7, "slug": "a/b"}}"#;

    #[test]
    fn a_named_repository_is_asked_for() {
        assert_eq!(find(vec![ok(A_B)], Some("a/b"), None).unwrap(), "a/b");
        let missing = find(vec![answer("404 Not Found", "")], Some("a/b"), None).unwrap_err();
        assert_eq!(missing.exit(), Exit::NotFound);
        assert_eq!(
            find(Vec::new(), Some("a"), None).unwrap_err().exit(),
            Exit::Usage
        );
    }

    #[test]
    fn the_only_repository_needs_no_name() {
        let one = r#"{"repos": [{"id": 7, "slug": "a/b"}]}"#;
        assert_eq!(find(vec![ok(one)], None, None).unwrap(), "a/b");
        let two = r#"{"repos": [{"id": 7, "slug": "a/b"}, {"id": 8, "slug": "a/c"}]}"#;
        assert_eq!(
            find(vec![ok(two)], None, None).unwrap_err().exit(),
            Exit::Usage
        );
        let none = find(vec![ok(r#"{"repos": []}"#)], None, None);
        assert_eq!(none.unwrap_err().exit(), Exit::NotFound);
    }

    #[test]
    fn a_folder_stands_for_its_repository() {
        let folder = tempfile::tempdir().unwrap();
        let (bare, clone) = (folder.path().join("bare.git"), folder.path().join("clone"));
        let run =
            |args: &[&str]| assert!(Command::new("git").args(args).status().unwrap().success());
        run(&["init", "--quiet", "--bare", bare.to_str().unwrap()]);
        run(&["init", "--quiet", clone.to_str().unwrap()]);
        let inside = clone.to_str().unwrap();
        run(&[
            "-C",
            inside,
            "remote",
            "add",
            "origin",
            bare.to_str().unwrap(),
        ]);
        let own = format!(r#"{{"repos": [{{"id": 7, "slug": "a/b", "path": {bare:?}}}]}}"#);
        assert_eq!(
            find(vec![ok(&own), ok(A_B)], None, Some(&clone)).unwrap(),
            "a/b"
        );
        assert_eq!(
            find(vec![ok(&own), ok(A_B)], None, Some(&bare)).unwrap(),
            "a/b"
        );
        run(&["-C", inside, "config", "assay.slug", "a/b"]);
        assert_eq!(find(vec![ok(A_B)], None, Some(&clone)).unwrap(), "a/b");
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(Number::parse("12").unwrap(), Number::Build(12));
        assert_eq!(Number::parse("#12").unwrap(), Number::Build(12));
        assert_eq!(Number::parse("12.3").unwrap(), Number::Job(12, 3));
        for text in ["", "x", "12.", ".3", "12.3.4", "-1"] {
            assert_eq!(
                Number::parse(text).unwrap_err().exit(),
                Exit::Usage,
                "{text}"
            );
        }
    }

    #[test]
    fn remotes_lead_to_slugs() {
        let slug = |url| slug_of_url(url);
        assert_eq!(
            slug("git@git.example.org:team/app.git").as_deref(),
            Some("team/app")
        );
        assert_eq!(
            slug("https://git.example.org/group/team/app").as_deref(),
            Some("team/app")
        );
        assert_eq!(
            slug("ssh://git@host:2222/team/app.git/").as_deref(),
            Some("team/app")
        );
        assert_eq!(slug("/srv/git/team/app.git").as_deref(), Some("team/app"));
        assert_eq!(
            slug("file:///srv/git/team/app.git").as_deref(),
            Some("team/app")
        );
        assert_eq!(slug("app.git"), None);
    }
}
