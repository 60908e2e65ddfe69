use assay_plan::DebugConsent;

use super::*;

const HOST: Host = Host {
    cores: 4,
    memory: 8 << 30,
};

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(text.as_bytes(), HOST)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The only problem of a file.
fn problem(text: &str) -> String {
    let problems = parse(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(parse("# nothing\n\n"), Ok(config.clone()));
    assert_eq!(parse("limits:\nlog:\n"), Ok(config.clone()));
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert_eq!(config.access.mode, AccessMode::Private);
    assert_eq!(config.jobs, 4);
    assert_eq!(config.limits.time, Span::seconds(3000));
    assert_eq!(config.limits.silence, Span::seconds(600));
    assert_eq!(config.limits.memory, Size::of(1 << 30));
    assert_eq!(config.limits.disk, Size::of(768 << 20));
    assert_eq!(config.limits.log, Size::of(4_500_000));
    assert_eq!(config.sandbox.uids, 1_800_000_000);
    assert_eq!(config.shutdown.grace, Span::seconds(10));
    assert_eq!(config.versions, Versions::Exact);
    assert_eq!(config.unsupported, Unsupported::Error);
    assert!(config.repositories.is_empty());
}

const FULL: &str = r"
listen: 0.0.0.0:443
tls: {cert: /etc/assay/cert.pem, key: /etc/assay/key.pem}
web: https://ci.example.org/
state: /srv/assay
access: {mode: public}
jobs: 3
limits:
  time: 1h30m
  silence: 20m
  grace: 5s
  memory: 2GiB
  processes: 100
  disk: 1.5GiB
  files: 1000
  log: 4.5MB
  weight: 50
sandbox:
  uids: 200000
  folders: [/opt/tools]
  require: [memory, processes]
shutdown: {grace: 1m}
reconcile: {interval: 0s, limit: 5}
versions: nearest
unsupported: skip
repositories:
  - path: /srv/git/team/app.git
  - path: /srv/git/team/lib.git
    slug: team/library
    visibility: public
    share: [team/app]
    profile: root
    debug: on
debug: {listen: 127.0.0.1:2222, address: ci.example.org, time: 1h, wait: 2m, sessions: 1}
images: {strict: true, default: debian-12, focal: {image: ubuntu, profile: root}, jammy: host}
log: {level: debug, format: json}
";

#[test]
fn every_key_is_read() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.listen.port(), 443);
    assert_eq!(config.web.as_deref(), Some("https://ci.example.org"));
    assert_eq!(config.state.as_deref(), Some(Path::new("/srv/assay")));
    assert_eq!(config.access.mode, AccessMode::Public);
    assert_eq!(config.jobs, 3);
    assert_eq!(config.limits.time, Span::seconds(5400));
    assert_eq!(config.limits.disk, Size::of(3 << 29));
    assert_eq!(config.limits.log, Size::of(4_500_000));
    assert_eq!(config.limits.weight, 50);
    assert_eq!(
        config.sandbox.require,
        [Required::Memory, Required::Processes]
    );
    assert_eq!(config.shutdown.grace, Span::seconds(60));
    assert_eq!(config.reconcile.limit, 5);
    assert_eq!(config.versions, Versions::Nearest);
    assert_eq!(config.unsupported, Unsupported::Skip);
    let [app, library] = config.repositories.as_slice() else {
        panic!("two repositories");
    };
    assert_eq!(app.slug.as_str(), "team/app");
    assert_eq!(app.visibility, Visibility::Private);
    assert_eq!(library.slug.as_str(), "team/library");
    assert_eq!(library.visibility, Visibility::Public);
    assert_eq!(library.share, [Slug::parse("team/app").unwrap()]);
    assert_eq!(
        (app.profile, library.profile),
        (JobProfile::Strict, JobProfile::Root)
    );
    assert_eq!((app.debug, library.debug), (None, Some(DebugConsent::On)));
    let debug = &config.debug;
    assert_eq!(debug.listen.map(|at| at.port()), Some(2222));
    assert_eq!(debug.address.as_deref(), Some("ci.example.org"));
    assert_eq!(debug.time, Span::seconds(3600));
    assert_eq!((debug.wait, debug.sessions), (Span::seconds(120), 1));
    let images = &config.images;
    assert!(images.strict && images.default.image == "debian-12");
    assert_eq!(images.dists.keys().collect::<Vec<_>>(), ["focal", "jammy"]);
    assert_eq!(images.dists["focal"].profile, JobProfile::Root);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn what_is_shown_can_be_read_again() {
    for text in ["", FULL] {
        let config = parse(text).unwrap();
        assert_eq!(parse(&serde_yaml::to_string(&config).unwrap()), Ok(config));
    }
}

#[test]
fn images_and_networks_are_checked() {
    assert!(problem("images: {default: {image: host, profile: root}}").contains("imported image"));
    for name in ["../x", "''", "HOST", "/etc", "'a b'"] {
        for text in [
            format!("images: {{focal: {name}}}"),
            format!("images: {{default: {{image: {name}}}}}"),
        ] {
            assert!(problem(&text).contains("image name"), "{text}");
        }
    }
    assert!(problem("images: {focal: {image: x, size: 3}}").contains("only image and profile"));
    assert!(problem("images: {focal: 3}").contains("images.focal: expected the name of an image"));
    assert!(problem("sandbox: {network: all}").contains("sandbox.network"));
    let config = parse("sandbox: {network: none, hosts: [example.org, '10.0.0.5:80']}").unwrap();
    assert_eq!(
        (config.sandbox.network, config.sandbox.hosts.len()),
        (Reach::None, 2)
    );
    assert_eq!(parse("").unwrap().sandbox.network, Reach::Egress);
    assert!(
        problem("sandbox: {scratch: 1MiB}").contains("sandbox.scratch: must be at least 64MiB")
    );
    let config = parse("sandbox: {scratch: 20GiB}").unwrap();
    assert_eq!(config.sandbox.scratch, Some(Size::of(20 << 30)));
    assert_eq!(parse("").unwrap().sandbox.scratch, None);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    assert_eq!(
        problem("jobs: 1\nlimits:\n  tiem: 5m\n"),
        r#"line 3: limits.tiem: unknown key; did you mean "time"?"#
    );
    assert!(
        problem("frobnicate: 1")
            .starts_with("line 1: frobnicate: unknown key; known here: listen, ")
    );
    assert!(problem("repositories:\n  - {path: /a/b, slgu: c/d}").contains("repositories[0].slgu"));
    assert!(problem("3: x").contains("is not text"));
}

#[test]
fn everything_wrong_is_said_at_once_in_the_order_of_the_file() {
    let text = "jobs: none\nlimits:\n  time: 50\n  log: big\naccess: {mode: publik}\nsandbox: []\n";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            r#"line 1: jobs: expected a whole number from 1 to 4096, found "none""#,
            r#"line 3: limits.time: "50" has no unit (write 10s, 10m or 2h)"#,
            r#"line 4: limits.log: "big" is not a size (write 4500000, 4.5MB or 2GiB)"#,
            r#"line 5: access.mode: "publik" is not known; did you mean "public"?"#,
            "line 6: sandbox: expected a map of keys, found a list",
        ]
    );
}

#[test]
fn each_value_is_checked() {
    let wrong = [
        ("listen: here", "is not an address with a port"),
        ("listen: 27729", "expected an address"),
        ("insecure: maybe", "expected true or false"),
        ("web: ci.example.org", "is not an address such as"),
        ("web: ftp://x", "is not an address such as"),
        ("state: var/assay", "is not an absolute path"),
        ("jobs: 0", "from 1 to 4096"),
        ("jobs: 2.5", "found the number 2.5"),
        ("limits: {time: 0s}", "longer than zero"),
        ("limits: {memory: 0}", "more than zero"),
        ("limits: {weight: 2000}", "from 1 to 1000"),
        ("sandbox: {uids: 1000}", "from 65536"),
        ("sandbox: {folders: /opt}", "expected a list"),
        (
            "sandbox: {require: [disk]}",
            "choose one of memory, processes",
        ),
        ("versions: newest", "did you mean \"nearest\""),
        ("unsupported: run", "choose one of error, skip"),
        ("log: {level: loud}", "choose one of error, warn"),
        ("reconcile: {limit: -1}", "from 1 to"),
        ("tls: {cert: /a}", "key is missing"),
        ("repositories: {path: /a/b}", "expected a list"),
        ("repositories: [{slug: a/b}]", "path is missing"),
        ("repositories: [{path: /a}]", "slug is missing"),
        (
            "repositories: [{path: /a/b, slug: b}]",
            "is not of the form owner/name",
        ),
        (
            "repositories: [{path: /a/b}, {path: /c/d, slug: A/B}]",
            "another repository A/B",
        ),
        (
            "repositories: [{path: /a/b}, {path: /a/b, slug: c/d}]",
            "listed twice",
        ),
        (
            "repositories: [{path: /a/b, share: [c/d]}]",
            "another owner",
        ),
        ("debug: {time: 1h}", "listen is missing"),
        (
            "repositories: [{path: /a/b, debug: fork}]",
            "did you mean \"forks\"",
        ),
        ("- a list", "expected a map of keys"),
        ("a: 1\na: 2", "duplicate"),
        ("a: [", "line"),
    ];
    for (text, said) in wrong {
        let problem = problem(text);
        assert!(problem.contains(said), "{text}: {problem}");
    }
}

#[test]
fn plain_http_to_the_world_needs_a_word() {
    assert!(problem("listen: 0.0.0.0:80").contains("insecure: true"));
    assert!(problem("listen: '[::]:80'").contains("insecure: true"));
    assert!(parse("listen: 0.0.0.0:80\ninsecure: true").is_ok());
    assert!(parse("listen: '[::1]:80'").is_ok());
    assert!(parse("listen: localhost:0").is_ok());
    assert!(parse("listen: 0.0.0.0:443\ntls: {cert: /a, key: /b}").is_ok());
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let problems = Config::parse(b"jobs: 1\nlisten: \xff\n", HOST).unwrap_err();
    assert_eq!(problems[0].to_string(), "line 2: not UTF-8 text");
}

#[test]
fn files_are_found_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.yml");
    let missing = Config::find(Some(&path)).unwrap_err();
    assert!(matches!(missing, ConfigError::Read { .. }), "{missing}");
    std::fs::write(&path, "jobs: 7\n").unwrap();
    let (config, read) = Config::find(Some(&path)).unwrap();
    assert_eq!((config.jobs, read), (7, Some(path.clone())));
    std::fs::write(&path, "jbos: 7\n").unwrap();
    let wrong = Config::load(&path).unwrap_err().to_string();
    let expected = format!(
        "{} cannot be used\n  line 1: jbos: unknown key; did you mean \"jobs\"?",
        path.display()
    );
    assert_eq!(wrong, expected);
}

#[test]
fn the_state_folder_is_the_first_that_is_given() {
    let config = parse("state: /srv/assay").unwrap();
    assert_eq!(
        state_folder(Some(Path::new("/a")), Some(&config)),
        Path::new("/a")
    );
    assert_eq!(state_folder(None, Some(&config)), Path::new("/srv/assay"));
    assert!(state_folder(None, None).ends_with("assay"));
    assert!(state_folder(Some(Path::new("here")), None).is_absolute());
}

#[test]
fn slugs_come_from_paths() {
    let slug = |path: &str| slug_of(Path::new(path)).map(|slug| slug.to_string());
    assert_eq!(slug("/srv/git/team/app.git").as_deref(), Some("team/app"));
    assert_eq!(slug("/home/me/src/app/.git").as_deref(), Some("src/app"));
    assert_eq!(slug("/home/me/my app").as_deref(), Some("me/my-app"));
    assert_eq!(slug("/app.git"), None);
    assert_eq!(slug("/"), None);
}

#[test]
fn caches_and_artifacts_can_be_turned_off_but_not_given_no_room() {
    let config = parse("caches: {archive: 0, repository: 1GB}\nartifacts: {job: 5MB}").unwrap();
    assert_eq!(config.caches.archive, Size::of(0));
    assert_eq!(config.caches.repository, Size::of(1_000_000_000));
    assert_eq!(config.artifacts.job, Size::of(5_000_000));
    assert_eq!(config.artifacts.repository, Size::of(2 << 30));
    assert!(problem("caches: {repository: 0}").contains("more than zero"));
    assert!(problem("caches: {size: 1}").contains("size"));
}
