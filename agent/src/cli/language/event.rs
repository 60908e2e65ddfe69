//! The event that a file is expanded for, and the nouns around a job that no daemon knows.

use assay_plan::{
    Build, BuildId, Commit, CommitId, EventKind, Job, JobId, JobNumber, Map, Person, RepoId,
    Repository, Row, Slug, Source, State, Time, Value, Visibility,
};

use crate::cli::args::EventArgs;
use crate::exit::Failure;

/// The event that was given; a push to `master` if none was.
pub(super) fn event_data(args: &EventArgs) -> Result<Map, Failure> {
    let mut data = Map::new();
    if let Some(file) = &args.event {
        let bytes = std::fs::read(file)
            .map_err(|error| Failure::io(format!("cannot read {}", file.display()), &error))?;
        merge(&mut data, &bytes, &file.display().to_string())?;
    }
    if let Some(text) = &args.data {
        merge(&mut data, text.as_bytes(), "--data")?;
    }
    if args.event.is_none() && args.data.is_none() {
        for (key, value) in [
            ("type", "push"),
            ("branch", "master"),
            ("head_branch", "master"),
        ] {
            data.insert(key, Value::from(value));
        }
        data.insert("fork", Value::Bool(false));
    }
    Ok(data)
}

fn merge(data: &mut Map, bytes: &[u8], from: &str) -> Result<(), Failure> {
    let more: Map = serde_json::from_slice(bytes).map_err(|error| {
        Failure::usage(format!("cannot read the event of {from}"))
            .because(&error)
            .hint(r#"write it like {"type": "push", "branch": "main"}"#)
    })?;
    for (key, value) in more {
        data.insert(key, value);
    }
    Ok(())
}

/// A repository and a build around a job that no daemon knows: what the event says of them, plain values for the rest.
pub(super) fn made_up(data: &Map, config: Map) -> Result<(Repository, Build), Failure> {
    let wrong =
        |error: assay_plan::NameError| Failure::usage("cannot use the event").because(&error);
    let slug = Slug::parse(data.text("repo").unwrap_or("owner/name")).map_err(wrong)?;
    let zero = "0".repeat(40);
    let commit = CommitId::parse(data.text("commit").unwrap_or(&zero)).map_err(wrong)?;
    let event = data
        .text("type")
        .and_then(EventKind::from_name)
        .unwrap_or(EventKind::Push);
    let now = Time(0);
    let sender = Person {
        name: data.text("sender").unwrap_or("nobody").to_owned(),
        email: String::new(),
    };
    let repository = Repository {
        id: RepoId(1),
        source: Source::Path(format!("/srv/git/{slug}.git")),
        slug,
        description: None,
        visibility: Visibility::Private,
        active: true,
        default_branch: Some("master".to_owned()),
        share: Vec::new(),
        debug: assay_plan::DebugConsent::Off,
        created_at: now,
    };
    let build = Build {
        id: BuildId { 0: 1 },
        repo: RepoId(1),
        number: 1,
        event,
        branch: data.text("branch").unwrap_or("master").to_owned(),
        tag: data.text("tag").map(str::to_owned),
        before: None,
        commit: Commit {
            id: commit,
            message: data.text("commit_message").unwrap_or_default().to_owned(),
            committed_at: now,
            author: sender.clone(),
            committer: sender,
        },
        config,
        messages: Vec::new(),
        sources: Vec::new(),
        stages: Vec::new(),
        fast_finish: false,
        jobs: vec![JobId(1)],
        state: State::Created,
        created_at: now,
        started_at: None,
        finished_at: None,
    };
    Ok((repository, build))
}

pub(super) fn made_up_job(build: &Build, place: u32, row: Row) -> Job {
    let number = JobNumber {
        build: build.number,
        job: place,
    };
    Job {
        allow_failure: row.may_fail(),
        attempt: 1,
        assumed: row.assumed,
        ..Job::new(
            JobId(u64::from(place)),
            build.id,
            build.repo,
            number,
            row.config,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn args(event: Option<&str>, data: Option<&str>) -> EventArgs {
        EventArgs {
            event: event.map(Into::into),
            data: data.map(str::to_owned),
        }
    }

    #[test]
    fn without_an_event_it_is_a_push_to_master() {
        let data = event_data(&args(None, None)).unwrap();
        assert_eq!(data.text("type"), Some("push"));
        assert_eq!(data.text("branch"), Some("master"));
    }

    #[test]
    fn what_is_given_is_all_there_is_and_data_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("event.json");
        std::fs::write(&file, r#"{"branch": "a", "tag": "v1"}"#).unwrap();
        let data = event_data(&args(file.to_str(), Some(r#"{"branch": "b"}"#))).unwrap();
        assert_eq!(data.text("branch"), Some("b"));
        assert_eq!(data.text("tag"), Some("v1"));
        assert_eq!(data.get("type"), None);
    }

    #[test]
    fn an_event_that_is_no_json_map_is_refused() {
        for bad in ["[]", "{", "3"] {
            let failure = event_data(&args(None, Some(bad))).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage, "{bad}");
        }
        let failure = event_data(&args(Some("/nonexistent"), None)).unwrap_err();
        assert_eq!(failure.exit(), Exit::NotFound);
    }

    #[test]
    fn the_nouns_around_a_job_follow_the_event() {
        let text = r#"{"type": "cron", "repo": "a/b", "branch": "dev", "sender": "ann"}"#;
        let data = event_data(&args(None, Some(text))).unwrap();
        let (repository, build) = made_up(&data, Map::new()).unwrap();
        assert_eq!(repository.slug.as_str(), "a/b");
        assert_eq!(
            (build.event, build.branch.as_str()),
            (EventKind::Cron, "dev")
        );
        assert_eq!(build.commit.author.name, "ann");
        let wrong = event_data(&args(None, Some(r#"{"repo": "nothing"}"#))).unwrap();
        assert_eq!(made_up(&wrong, Map::new()).unwrap_err().exit(), Exit::Usage);
    }
}
