//! Whatever bytes come: an answer, in bounded time and memory, without a panic.

use std::time::Duration;

use assay_plan::{
    ConfigFile, Decision, EventKind, Imported, Imports, Map, Reading, decide, eval_condition,
    expand, lint,
};
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use crate::{checks, nouns};

/// Of the processor's time, whatever else the machine does; a debug build needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(30);

/// Time that the processor spent on this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// What is to be done for a file of this size must not grow faster than the file. Eight times as large, it takes eight times as
/// long, and with a quadratic step up to 64 times; one that a busy machine disturbs gets another chance.
fn grows_evenly(size: usize, file: impl Fn(usize) -> String) {
    let cost = |size| {
        let file = file(size);
        let start = spent();
        let linted = lint(file.as_bytes()).unwrap();
        expand(&linted, &Map::new());
        spent() - start
    };
    // What is worked out once is worked out before.
    cost(1);
    let mut seen = Vec::new();
    let is_even = (0..4).any(|_| {
        let (small, large) = (cost(size), cost(8 * size));
        seen.push((small, large));
        large < small * 16
    });
    let start_of_file: String = file(1).chars().take(40).collect();
    assert!(is_even, "{seen:?} for {start_of_file:?}");
}

fn try_out(bytes: &[u8]) {
    let start = spent();
    let request = nouns::request(EventKind::Push, "refs/heads/main");
    // Whatever is imported is the file itself.
    let mut imports = Imports::new();
    loop {
        let step = decide(
            &nouns::repository(),
            &request,
            &nouns::commit("x"),
            ConfigFile::Bytes(bytes),
            &imports,
        );
        let decision = match step {
            Reading::Done(decision) => decision,
            Reading::Needs(wanted) => {
                assert!(imports.len() <= assay_plan::MAX_IMPORTS);
                let found = Imported::File {
                    bytes: bytes.to_vec(),
                    commit: None,
                };
                imports.insert(wanted, found);
                continue;
            }
        };
        if let Decision::Accept(blueprint) = decision {
            assert!(!blueprint.jobs.is_empty() && blueprint.jobs.len() <= assay_plan::MAX_JOBS);
        }
        break;
    }
    if let Ok(linted) = lint(bytes) {
        expand(&linted, &Map::new());
    }
    let start_of_input = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
    let took = spent() - start;
    assert!(took < LIMIT, "{took:?} for {start_of_input}");
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in ('b'..='k').zip('a'..) {
        bomb.push_str(&format!("{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"));
    }
    assert!(lint(bomb.as_bytes()).is_err());
    try_out(bomb.as_bytes());
    let long = "x".repeat(100_000);
    let many = ["*a"; 1_000].join(", ");
    assert!(lint(format!("a: &a {long}\nb: [{many}]\n").as_bytes()).is_err());
}

#[test]
fn a_value_that_holds_itself_is_refused() {
    for text in ["a: &a [*a]", "a: &a {b: *a}", "&a {<<: *a, b: 1}"] {
        try_out(text.as_bytes());
    }
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [
        ("[", "]"),
        ("{a: ", "}"),
        ("- ", ""),
        ("a:\n ", ""),
        ("? ", ""),
        ("!!str ", ""),
        ("&a ", ""),
        ("((((", ""),
    ] {
        for count in [100, 1_000, 50_000] {
            try_out(format!("x: {}{}", open.repeat(count), close.repeat(count)).as_bytes());
            try_out(open.repeat(count).as_bytes());
        }
    }
    let indented: String = (0..1_200)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    try_out(indented.as_bytes());
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn work_grows_with_the_file() {
    grows_evenly(800, |size| {
        lines(size, |number| format!("key{number}: 1\n"))
    });
    grows_evenly(500, |size| {
        let others = lines(size, |number| format!("langage{number}: &a{number} [*a]\n"));
        format!("_: &a x\n{others}")
    });
    for key in [
        "script",
        "env",
        "os",
        "rvm",
        "jobs",
        "stages",
        "notifications",
        "deploy",
        "branches",
        "cache",
        "addons",
        "unknown",
    ] {
        grows_evenly(150, |size| {
            format!(
                "{key}:\n{}",
                lines(size, |number| format!("- X={number}\n"))
            )
        });
    }
    for key in ["include", "exclude", "allow_failures"] {
        grows_evenly(100, |size| {
            let rules = lines(size, |number| format!("  - if: branch = b{number}\n"));
            format!("jobs:\n  {key}:\n{rules}")
        });
    }
}

#[test]
fn large_files_are_bounded() {
    let keys = lines(4_000, |number| format!("key{number}: 1\n"));
    try_out(keys.as_bytes());
    // More than are tried, the last of them costly.
    let rules = lines(1_100, |number| format!("  - if: branch = b{number}\n"));
    let costly = lines(100, |number| format!("  - if: branch =~ (a+)+b{number}\n"));
    let rules = rules + &costly;
    try_out(
        format!("jobs:\n  include:\n{rules}  exclude:\n{rules}  allow_failures:\n{rules}")
            .as_bytes(),
    );
    let list = |values: usize| {
        let values: Vec<String> = (0..values).map(|number| format!("'v={number}'")).collect();
        values.join(", ")
    };
    let axes = ["rvm", "gemfile", "env"].map(|key| format!("{key}: [{}]\n", list(200)));
    try_out(axes.concat().as_bytes());
    let script = "x".repeat(500_000);
    try_out(format!("script: {script}\nrvm: [{}]", list(3_000)).as_bytes());
}

#[test]
fn conditions_are_bounded() {
    let start = spent();
    let texts = [
        "(".repeat(100_000),
        "not ".repeat(100_000),
        "a = a and ".repeat(50_000),
        "concat(".repeat(100_000),
        format!("{} =~ (a+)+$", "a".repeat(50_000)),
        format!("branch =~ {}", "(a|".repeat(20_000)),
        format!("'{}", "x".repeat(100_000)),
    ];
    for text in texts {
        let _ = eval_condition(&text, &Map::new());
    }
    let took = spent() - start;
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn odd_files_have_answers() {
    for bytes in [
        b"".as_slice(),
        b"\xff\xfe",
        b"\0\0\0",
        b"---\n...\n---\n",
        b"\t",
        b"%YAML 9.9\n",
        b"- a",
        b"x",
        b"a: b: c",
        b"*a",
        b"? [a]\n: b",
    ] {
        try_out(bytes);
    }
}

/// What fuzzing found once, and inputs like that: each file of `tests/found/TARGET` goes through the check of that target.
#[test]
fn what_was_found_stays_mended() {
    type Check = fn(&[u8]);
    let targets: [(&str, Check); 4] = [
        ("yaml", checks::yaml),
        ("expand", checks::expand),
        ("condition", checks::condition),
        ("script", checks::script),
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/found");
    for (name, check) in targets {
        let files = std::fs::read_dir(root.join(name)).unwrap();
        let mut count = 0;
        for file in files {
            check(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no inputs for {name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        try_out(&bytes);
    }

    #[test]
    fn anything_like_yaml(text in "(language|env|jobs|matrix|include|exclude|script|os|if|stages|name|deploy|on|secure|cache|<<|[a-z]{1,3}|[0-9.]{1,4}|: |- |\\[|\\]|\\{|\\}|, |\\n|  |'|\"|&a |\\*a|!x |\\||>|#|~|true|\\$|=){0,80}") {
        try_out(text.as_bytes());
    }

    #[test]
    fn any_configuration(value in configurations()) {
        try_out(serde_json::to_string(&value).unwrap().as_bytes());
    }

    #[test]
    fn any_condition(text in "(and|or|not|in|is|present|blank|=|=~|!~|!=|\\(|\\)|,|branch|tag|env|concat|'|\"|/|[a-z$^.*]{1,4}| ){0,40}") {
        let _ = eval_condition(&text, &Map::new());
    }
}

/// Trees with known keys in the wrong places.
fn configurations() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "(linux|osx|ruby|always|A=1 B=2|\\$X|skip|test|a\\.yml|\\./b\\.yml|x/y:c\\.yml@v1|[.a-z/]{1,5}\\.yml|deep_merge|deep_merge_prepend|[a-z ]{0,8})".prop_map(Into::into),
    ];
    let key = "(language|os|dist|env|global|jobs|matrix|include|exclude|allow_failures|script|install|stages|stage|if|deploy|provider|on|branch|secure|cache|addons|apt|notifications|email|slack|rvm|python|git|depth|branches|only|vault|import|source|mode|sudo|services|[a-z_]{1,6})";
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}
