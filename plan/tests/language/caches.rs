//! What a job's cache is: folders, whose it is, what tells caches apart.

use assay_plan::{Build, Cache, EventKind, JobPlan};

use crate::nouns;
use crate::shell::first_job;

fn plan_of(yaml: &str, change: impl FnOnce(&mut Build)) -> JobPlan {
    let mut build = nouns::build();
    change(&mut build);
    nouns::plan(&build, first_job(yaml), &[])
}

fn cache(yaml: &str) -> Option<Cache> {
    plan_of(yaml, |_| {}).cache
}

fn folders(yaml: &str) -> Vec<String> {
    let home = |folder: &String| folder.replace("/home/travis/", "~/");
    cache(yaml).map_or_else(Vec::new, |cache| cache.folders.iter().map(home).collect())
}

#[test]
fn short_forms_stand_for_folders() {
    let work = "~/build/acme/widget";
    let rows: [(&str, Vec<String>); 8] = [
        (
            "language: ruby\ncache: bundler",
            vec![format!("{work}/vendor/bundle")],
        ),
        ("language: python\ncache: pip", vec!["~/.cache/pip".into()]),
        (
            "language: c\ncache: ccache",
            vec!["~/.ccache".into(), "~/.cache/ccache".into()],
        ),
        (
            "language: generic\ncache: [pip, yarn, foo/bar]",
            vec![
                "~/.cache/pip".into(),
                "~/.cache/yarn".into(),
                format!("{work}/foo/bar"),
            ],
        ),
        (
            "language: generic\ncache: {directories: [$HOME/.m2, ~/.m2/sub, ~/.gradle/]}",
            vec!["~/.m2".into(), "~/.gradle".into()],
        ),
        ("language: generic\ncache: false", vec![]),
        ("language: generic", vec![]),
        ("language: node_js\ncache: {npm: false}", vec![]),
    ];
    for (yaml, expected) in rows {
        assert_eq!(folders(yaml), expected, "{yaml}");
    }
    let node = folders("language: node_js");
    assert_eq!(node, ["~/.npm".to_owned(), format!("{work}/node_modules")]);
}

#[test]
fn folders_that_lie_elsewhere_are_noted() {
    let plan = plan_of(
        "language: generic\ncache: {apt: true, directories: [/etc, $NOWHERE/x]}",
        |_| {},
    );
    assert!(plan.cache.is_none());
    for text in ["/var/cache/apt/archives", "/etc", "$NOWHERE is not known"] {
        assert!(
            plan.notes.iter().any(|note| note.contains(text)),
            "{text}: {:?}",
            plan.notes
        );
    }
}

#[test]
fn variables_versions_and_systems_tell_caches_apart() {
    let one =
        cache("language: python\npython: '3.12'\ncache: {pip: true, timeout: 60}\nenv: B=2 A=1")
            .unwrap();
    assert_eq!(one.versions, "--python-3.12");
    assert_eq!(one.env, ["A=1", "B=2"]);
    assert_eq!(one.system, "linux-bookworm");
    assert_eq!(one.timeout, Some(60));
}

#[test]
fn a_branch_keeps_its_own_and_a_pull_request_none() {
    let yaml = "language: python\ncache: pip";
    let of = |event: EventKind, branch: &str| {
        let change = |build: &mut Build| {
            build.event = event;
            build.branch = branch.to_owned();
        };
        let cache = plan_of(yaml, change).cache.unwrap();
        (cache.place, cache.lookup)
    };
    let default = nouns::repository().default_branch.unwrap();
    let both = vec!["topic".to_owned(), default.clone()];
    assert_eq!(
        of(EventKind::Push, "topic"),
        (Some("topic".to_owned()), both.clone())
    );
    assert_eq!(
        of(EventKind::Push, &default),
        (Some(default.clone()), vec![default.clone()])
    );
    assert_eq!(of(EventKind::PullRequest, "topic"), (None, both));
    assert_eq!(of(EventKind::PullRequest, &default), (None, vec![default]));
}

#[test]
fn a_tag_has_no_branchs_cache_whatever_its_name() {
    let default = nouns::repository().default_branch.unwrap();
    let plan = plan_of("language: python\ncache: pip", |build| {
        build.branch.clone_from(&default);
        build.tag = Some(default.clone());
    });
    let cache = plan.cache.unwrap();
    let own = format!("tag:{default}");
    assert_eq!(
        (cache.place, cache.lookup),
        (Some(own.clone()), vec![own, default])
    );
}

#[test]
fn artifacts_are_paths() {
    let plan = plan_of(
        "language: generic\naddons: {artifacts: {paths: ['a.txt:b', $HOME/c, /etc/passwd]}}",
        |_| {},
    );
    let work = &plan.build_dir;
    let expected = [
        format!("{work}/a.txt"),
        format!("{work}/b"),
        "/home/travis/c".to_owned(),
    ];
    assert_eq!(plan.artifacts, expected);
    assert!(
        plan.notes.iter().any(|note| note.contains("/etc/passwd")),
        "{:?}",
        plan.notes
    );
}
