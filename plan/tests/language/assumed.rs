//! What the author gave, told from what was filled in.

use assay_plan::{Job, Map, expand, lint};

use crate::nouns;
use crate::shell::run;

fn jobs(yaml: &str) -> Vec<Job> {
    let linted = lint(yaml.as_bytes()).unwrap();
    let rows = expand(&linted, &Map::new()).jobs;
    rows.into_iter().map(nouns::job).collect()
}

fn dists(yaml: &str) -> Vec<Option<String>> {
    let given = |job: &Job| job.given("dist").map(str::to_owned);
    jobs(yaml).iter().map(given).collect()
}

#[test]
fn a_default_is_not_given() {
    let [job] = &jobs("script: make")[..] else {
        panic!("one job");
    };
    for (key, default) in [("language", "ruby"), ("os", "linux"), ("dist", "focal")] {
        assert_eq!(job.config.text(key), Some(default), "{key}");
        assert_eq!(job.given(key), None, "{key}");
    }
    assert_eq!(dists("dist: focal"), [Some("focal".to_owned())]);
}

#[test]
fn a_job_may_give_what_the_root_leaves_to_its_default() {
    let yaml = "jobs:\n  include:\n  - {name: a, dist: focal}\n  - {name: b}\n  - {name: c, dist: xenial}\n  - {name: d, dist: ~}";
    let given = [Some("focal"), None, Some("xenial"), None];
    assert_eq!(dists(yaml), given.map(|name| name.map(str::to_owned)));
}

#[test]
fn jobs_of_the_matrix_leave_it_to_the_root() {
    let yaml = "rvm: [3.1, 3.2]\njobs:\n  include:\n  - {rvm: 3.3, dist: focal}";
    let given = [None, None, Some("focal".to_owned())];
    assert_eq!(dists(yaml), given);
}

#[test]
fn a_language_that_nobody_named_is_not_set_up() {
    let ran = run("script: 'true'");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let named = run("language: ruby\nrvm: 0.0.1\nscript: 'true'");
    assert_ne!(named.code, Some(0), "{}", named.log);
}
