//! `assay cache` and `assay artifacts`: what jobs left behind.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Component, Path};

use reqwest::Method;
use serde::Deserialize;

use super::args::{self, ArtifactsCommand, CacheCommand, Global, RepoArg};
use super::client::{Client, decode};
use super::output::{Screen, Table, moment};
use super::target::{find_build, find_repository};
use crate::exit::{Exit, Failure, Outcome};

#[derive(Debug, Deserialize)]
struct Cache {
    size: u64,
    slug: String,
    #[serde(default)]
    branch: Option<String>,
    #[serde(default)]
    last_modified: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    number: u64,
    path: String,
    kind: String,
    size: u64,
    #[serde(default)]
    target: Option<String>,
}

impl Artifact {
    fn is_file(&self) -> bool {
        matches!(self.kind.as_str(), "file" | "program")
    }
}

/// `assay cache`
pub(crate) fn cache(args: &args::Cache, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let (repo, chosen, method) = match &args.command {
        CacheCommand::List { repo, chosen } => (repo, chosen, Method::GET),
        CacheCommand::Rm { repo, chosen } => (repo, chosen, Method::DELETE),
    };
    let repo = find_repository(&client, repo)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    let parts = [("branch", &chosen.branch), ("match", &chosen.part)];
    for (name, value) in parts {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let path = format!("/repos/{}/caches?{}", repo.id, query.finish());
    let removing = method == Method::DELETE;
    let answer = client.ask(method, &path, None::<&()>)?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let caches: Vec<Cache> = decode(&answer, "caches")?;
    if removing {
        let bytes: u64 = caches.iter().map(|cache| cache.size).sum();
        screen.say(&format!("removed {} caches, {bytes} bytes", caches.len()));
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["BRANCH", "BYTES", "STORED", "NAME"]);
    for cache in &caches {
        table.row(vec![
            cache.branch.as_deref().unwrap_or("-").into(),
            cache.size.to_string().as_str().into(),
            moment(cache.last_modified.as_deref(), &screen.style).into(),
            cache.slug.as_str().into(),
        ]);
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

/// `assay artifacts`
pub(crate) fn artifacts(args: &args::Artifacts, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    match &args.command {
        ArtifactsCommand::List { job, repo } => {
            let (_, answer) = of_job(&client, repo, job)?;
            if screen.json {
                screen.json(&answer)?;
                return Ok(Exit::Ok);
            }
            let mut table = Table::new(&["BYTES", "PATH"]);
            for artifact in decode::<Vec<Artifact>>(&answer, "artifacts")? {
                let path = match (&artifact.target, artifact.kind.as_str()) {
                    (Some(target), _) => format!("{} -> {target}", artifact.path),
                    (None, "folder") => format!("{}/", artifact.path),
                    (None, _) => artifact.path,
                };
                let size = artifact.size.to_string();
                table.row(vec![size.as_str().into(), path.as_str().into()]);
            }
            screen.table(&table)?;
            Ok(Exit::Ok)
        }
        ArtifactsCommand::Get {
            job,
            path,
            output,
            repo,
        } => {
            let (id, answer) = of_job(&client, repo, job)?;
            let artifacts: Vec<Artifact> = decode(&answer, "artifacts")?;
            match (path, output) {
                (Some(path), output) => one(&client, id, &artifacts, path, output.as_deref()),
                (None, Some(folder)) => all(&client, id, &artifacts, folder, screen),
                (None, None) => Err(Failure::usage("which one?")
                    .hint("name a path, or a folder for all of them with --output")),
            }
        }
    }
}

/// Id of a job, and its artifacts.
fn of_job(client: &Client, repo: &RepoArg, job: &str) -> Result<(u64, serde_json::Value), Failure> {
    let repo = find_repository(client, repo)?;
    let found = find_build(client, &repo, Some(job))?;
    let job = match (found.named_job(), found.jobs.as_slice()) {
        (Some(job), _) => job,
        (None, [only]) => only,
        (None, _) => {
            let number = &found.build.number;
            return Err(Failure::usage(format!("build {number} has several jobs"))
                .hint(format!("name one of them, such as {number}.1")));
        }
    };
    let answer = client.get(&format!("/assay/jobs/{}/artifacts", job.id), &[])?;
    Ok((job.id, answer))
}

fn address(job: u64, artifact: &Artifact) -> String {
    format!("/assay/jobs/{job}/artifacts/{}", artifact.number)
}

fn one(
    client: &Client,
    job: u64,
    artifacts: &[Artifact],
    path: &str,
    output: Option<&Path>,
) -> Outcome {
    let artifact = artifacts
        .iter()
        .find(|artifact| artifact.path == path && artifact.is_file())
        .ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("the job kept no file {path}"))
                .hint("assay artifacts list shows what there is")
        })?;
    match output {
        Some(output) => write_new(client, job, artifact, output)?,
        None => client.download(&address(job, artifact), &mut std::io::stdout().lock())?,
    }
    Ok(Exit::Ok)
}

/// Writes all files below a folder. Links are left out: where they lead to, a job has chosen.
fn all(
    client: &Client,
    job: u64,
    artifacts: &[Artifact],
    folder: &Path,
    screen: &Screen,
) -> Outcome {
    let mut written = 0;
    for artifact in artifacts.iter().filter(|artifact| artifact.is_file()) {
        let path = Path::new(artifact.path.trim_start_matches('/'));
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            screen.say(&format!("{} is left out", artifact.path));
            continue;
        }
        let target = folder.join(path);
        let parent = target.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
        write_new(client, job, artifact, &target)?;
        written += 1;
    }
    screen.say(&format!("{written} files are in {}", folder.display()));
    Ok(Exit::Ok)
}

fn write_new(client: &Client, job: u64, artifact: &Artifact, path: &Path) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| cannot_write(path, &error))?;
    client.download(&address(job, artifact), &mut file)?;
    file.flush().map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot write {}", path.display())).because(error)
}
