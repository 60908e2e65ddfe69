//! `assay repo`: the repositories that the daemon builds.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{Consent, Global, RepoArg, RepoCommand};
use super::client::{Client, OwnRepository, Repository, decode};
use super::output::{Screen, Table, moment};
use super::target::{find_repository, named_repository};
use crate::config;
use crate::exit::{Exit, Failure, Outcome};

/// As many repositories as the API gives at once.
const MOST_LISTED: usize = 50;

/// Runs the command.
pub(crate) fn run(command: RepoCommand, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    match command {
        RepoCommand::Add {
            path,
            slug,
            public,
            build,
        } => add(&client, &path, slug.as_deref(), public, build, screen),
        RepoCommand::List => list(&client, screen),
        RepoCommand::Show { repository } => show(&client, repository, screen),
        RepoCommand::Settings { repository, debug } => settings(&client, repository, debug, screen),
        RepoCommand::Rm { repository, yes } => remove(&client, &repository, yes, screen),
    }
}

fn add(
    client: &Client,
    path: &Path,
    slug: Option<&str>,
    public: bool,
    build: bool,
    screen: &Screen,
) -> Outcome {
    // The daemon of another host has other folders.
    let path = if client.is_local() {
        std::fs::canonicalize(path).map_err(|error| {
            Failure::io(
                format!("cannot add the repository {}", path.display()),
                &error,
            )
        })?
    } else {
        path.to_owned()
    };
    if !path.is_absolute() {
        return Err(
            Failure::usage(format!("{} is not an absolute path", path.display()))
                .hint("with --server, the path is one of the daemon's host"),
        );
    }
    let slug = match slug {
        Some(slug) => {
            assay_plan::Slug::parse(slug).map_err(|error| Failure::usage(error.to_string()))?
        }
        None => config::slug_of(&path).ok_or_else(|| {
            Failure::usage(format!(
                "{} has too few parts to make a name from",
                path.display()
            ))
            .hint("name the repository with --slug OWNER/NAME")
        })?,
    };
    let body = json!({
        "path": path.to_string_lossy(),
        "slug": slug.as_str(),
        "visibility": if public { "public" } else { "private" },
        "build": build,
    });
    let answer = client.ask(Method::POST, "/assay/repos", Some(&body))?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let added: OwnRepository = decode(&answer, "repo")?;
    screen.line(&added.slug)?;
    screen.say(&format!(
        "added; to build pushes at once: assay hook install {}",
        path.display()
    ));
    Ok(Exit::Ok)
}

fn list(client: &Client, screen: &Screen) -> Outcome {
    let answer = client.get("/repos", &[("limit", MOST_LISTED.to_string())])?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let repos: Vec<Repository> = decode(&answer, "repos")?;
    let mut table = Table::new(&[
        "REPOSITORY",
        "BUILD",
        "STATE",
        "FINISHED",
        "VISIBILITY",
        "DESCRIPTION",
    ]);
    for repo in &repos {
        let state = repo
            .last_build_state
            .as_deref()
            .filter(|state| !state.is_empty());
        table.row(vec![
            repo.slug.as_str().into(),
            repo.last_build_number.as_deref().unwrap_or("-").into(),
            screen.state(state.unwrap_or("-")),
            moment(repo.last_build_finished_at.as_deref(), &screen.style).into(),
            visibility(repo.private).into(),
            repo.description.as_deref().unwrap_or_default().into(),
        ]);
    }
    if repos.len() >= MOST_LISTED {
        screen.say("these are the ones built last; there may be more");
    }
    if repos.is_empty() {
        screen.say("no repositories; add one with assay repo add PATH");
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

fn visibility(private: Option<bool>) -> &'static str {
    match private {
        Some(true) => "private",
        Some(false) => "public",
        None => "-",
    }
}

fn show(client: &Client, named: Option<String>, screen: &Screen) -> Outcome {
    let repo = find_repository(client, &RepoArg { repository: named })?;
    let raw = client.get(&format!("/repos/{}", repo.id), &[])?;
    // Only admins may know where it is.
    let own = client.find("/assay/repos", &[]).ok().flatten();
    let own = own.and_then(|own| {
        own.get("repos")?
            .as_array()?
            .iter()
            .find(|entry| entry["id"].as_u64() == Some(repo.id))
            .cloned()
    });
    if screen.json {
        screen.json(&json!({ "repo": raw.get("repo"), "settings": own }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["KEY", "VALUE"]);
    let mut add = |key: &str, value: &str| table.row(vec![key.into(), value.into()]);
    add("repository", &repo.slug);
    add("id", &repo.id.to_string());
    if let Some(path) = own.as_ref().and_then(|own| own["path"].as_str()) {
        add("path", path);
    }
    add("visibility", visibility(repo.private));
    add(
        "active",
        if repo.active == Some(false) {
            "no"
        } else {
            "yes"
        },
    );
    if let Some(share) = own
        .as_ref()
        .and_then(|own| own["share"].as_array())
        .filter(|share| !share.is_empty())
    {
        let names: Vec<&str> = share.iter().filter_map(Value::as_str).collect();
        add("shared with", &names.join(", "));
    }
    if let Some(debug) = own.as_ref().and_then(|own| own["debug"].as_str()) {
        add("debug sessions", debug);
    }
    add(
        "last build",
        repo.last_build_number.as_deref().unwrap_or("-"),
    );
    add(
        "state",
        repo.last_build_state
            .as_deref()
            .filter(|state| !state.is_empty())
            .unwrap_or("-"),
    );
    add(
        "finished",
        &moment(repo.last_build_finished_at.as_deref(), &screen.style),
    );
    if let Some(description) = &repo.description {
        add("description", description);
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

fn settings(
    client: &Client,
    named: Option<String>,
    debug: Option<Consent>,
    screen: &Screen,
) -> Outcome {
    let repo = find_repository(client, &RepoArg { repository: named })?;
    let body = json!({ "debug": debug.map(Consent::name) });
    let answer = client.ask(
        Method::PATCH,
        &format!("/assay/repos/{}", repo.id),
        Some(&body),
    )?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let state = answer["repo"]["debug"].as_str().unwrap_or("-");
    screen.say(&format!("{}: debug sessions {state}", repo.slug));
    Ok(Exit::Ok)
}

fn remove(client: &Client, slug: &str, sure: bool, screen: &Screen) -> Outcome {
    let repo = named_repository(client, slug)?;
    if !sure {
        return Err(
            Failure::usage(format!("this forgets all builds and logs of {}", repo.slug))
                .hint("say --yes if that is what you want"),
        );
    }
    client.ask(
        Method::DELETE,
        &format!("/assay/repos/{}", repo.id),
        None::<&Value>,
    )?;
    screen.say(&format!(
        "{} is forgotten; its hook, if it has one, goes with assay hook remove",
        repo.slug
    ));
    Ok(Exit::Ok)
}
