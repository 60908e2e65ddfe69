//! Variables of a job: what the process starts with, Travis' own, and those of the configuration.

use super::{Shell, quote};
use crate::job::JobContext;
use crate::model::{Time, Visibility};
use crate::value::{Map, Value};

/// Home of the job's user.
pub(crate) const HOME: &str = "/home/travis";
/// Bytes of the commit message that a job sees.
const MAX_MESSAGE: usize = 32_768;

/// Environment of the script's process.
pub(crate) fn initial() -> Vec<(String, String)> {
    let path = "/home/travis/bin:/home/travis/.local/bin:/home/travis/.cargo/bin:/usr/local/sbin:/usr/local/bin:\
                /usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin";
    let entries = [
        ("HOME", HOME),
        ("USER", "travis"),
        ("LOGNAME", "travis"),
        ("SHELL", "/bin/bash"),
        ("PATH", path),
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("TERM", "xterm"),
        ("TZ", "UTC"),
        ("CI", "true"),
    ];
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Variables that are the same for every job.
const FIXED: [(&str, &str); 24] = [
    ("TRAVIS", "true"),
    ("CI", "true"),
    ("CONTINUOUS_INTEGRATION", "true"),
    ("HAS_JOSH_K_SEAL_OF_APPROVAL", "true"),
    ("PAGER", "cat"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("RAILS_ENV", "test"),
    ("RACK_ENV", "test"),
    ("MERB_ENV", "test"),
    ("GIT_ASKPASS", "echo"),
    ("TRAVIS_HOME", HOME),
    ("TRAVIS_ROOT", "/"),
    ("TRAVIS_TMPDIR", "/tmp"),
    ("TRAVIS_INIT", "notset"),
    ("TRAVIS_INFRA", "unknown"),
    ("TRAVIS_SECURE_ENV_VARS", "false"),
    ("TRAVIS_SUDO", "false"),
    ("TRAVIS_PULL_REQUEST", "false"),
    ("TRAVIS_PULL_REQUEST_BRANCH", ""),
    ("TRAVIS_PULL_REQUEST_SHA", ""),
    ("TRAVIS_PULL_REQUEST_SLUG", ""),
    ("TRAVIS_PULL_REQUEST_IS_DRAFT", ""),
    ("TRAVIS_TEST_RESULT", ""),
    ("TRAVIS_CMD", ""),
];

/// Travis' own variables (travis-build, `env/builtin.rb`, `bash/travis_setup_env.bash`), then those from outside.
pub(super) fn write_builtin(shell: &mut Shell, context: &JobContext<'_>, build_dir: &str) {
    FIXED
        .iter()
        .for_each(|(name, value)| shell.export(name, value));
    write_machine(shell, context);
    write_build(shell, context);
    write_job(shell, context);
    shell.export("TRAVIS_BUILD_DIR", build_dir);
    let git = context.job.config.get("git").and_then(Value::as_map);
    if git.and_then(|git| git.get("lfs_skip_smudge")) == Some(&Value::Bool(true)) {
        shell.export("GIT_LFS_SKIP_SMUDGE", "1");
    }
    let named = context.env.iter().filter(|(name, _)| is_name(name));
    named.for_each(|(name, value)| shell.export(name, value));
}

fn write_machine(shell: &mut Shell, context: &JobContext<'_>) {
    let config = &context.job.config;
    let host = context.web.split("://").nth(1).unwrap_or(context.web);
    shell.export("TRAVIS_APP_HOST", host);
    shell.export("TRAVIS_ARCH", context.arch);
    shell.export("TRAVIS_CPU_ARCH", context.arch);
    shell.export("TRAVIS_DIST", context.dist.unwrap_or("notset"));
    shell.export("TRAVIS_OS_NAME", config.text("os").unwrap_or("linux"));
    shell.export(
        "TRAVIS_OSX_IMAGE",
        config.text("osx_image").unwrap_or_default(),
    );
    shell.export("TRAVIS_LANGUAGE", config.text("language").unwrap_or("ruby"));
}

fn write_build(shell: &mut Shell, context: &JobContext<'_>) {
    let (repository, build) = (context.repository, context.build);
    let slug = repository.slug.as_str();
    let range = build
        .before
        .as_ref()
        .map(|before| format!("{before}...{}", build.commit.id));
    let is_private = repository.visibility == Visibility::Private;
    shell.export("TRAVIS_EVENT_TYPE", build.event.name());
    shell.export("TRAVIS_BRANCH", &build.branch);
    shell.export("TRAVIS_TAG", build.tag.as_deref().unwrap_or_default());
    shell.export("TRAVIS_COMMIT", build.commit.id.as_str());
    shell.export(
        "TRAVIS_COMMIT_MESSAGE",
        cut(&build.commit.message, MAX_MESSAGE),
    );
    shell.export("TRAVIS_COMMIT_RANGE", &range.unwrap_or_default());
    shell.export("TRAVIS_REPO_SLUG", slug);
    shell.export(
        "TRAVIS_REPO_PRIVATE",
        if is_private { "true" } else { "false" },
    );
    shell.export("TRAVIS_BUILD_ID", &build.id.to_string());
    shell.export("TRAVIS_BUILD_NUMBER", &build.number.to_string());
    shell.export(
        "TRAVIS_BUILD_WEB_URL",
        &format!("{}/{slug}/builds/{}", context.web, build.id),
    );
}

fn write_job(shell: &mut Shell, context: &JobContext<'_>) {
    let (build, job) = (context.build, context.job);
    let slug = &context.repository.slug;
    let stage = job
        .stage
        .and_then(|stage| build.stages.get(usize::try_from(stage).ok()?));
    let (restarted_at, restarted_by) = match &job.restarted {
        Some((time, login)) => (iso(*time), login.as_str()),
        None => (String::new(), ""),
    };
    shell.export(
        "TRAVIS_ALLOW_FAILURE",
        if job.allow_failure { "true" } else { "false" },
    );
    shell.export(
        "TRAVIS_BUILD_STAGE_NAME",
        stage.map(String::as_str).unwrap_or_default(),
    );
    shell.export("TRAVIS_JOB_ID", &job.id.to_string());
    shell.export(
        "TRAVIS_JOB_NAME",
        job.config.text("name").unwrap_or_default(),
    );
    shell.export("TRAVIS_JOB_NUMBER", &job.number.to_string());
    shell.export(
        "TRAVIS_JOB_WEB_URL",
        &format!("{}/{slug}/jobs/{}", context.web, job.id),
    );
    shell.export("TRAVIS_JOB_RESTARTED", &restarted_at);
    shell.export("TRAVIS_JOB_RESTARTED_BY", restarted_by);
}

/// Variables of the configuration, unescaped as Travis exports them; the result says what is left out.
pub(super) fn write_config(shell: &mut Shell, context: &JobContext<'_>) -> Vec<String> {
    let mut notes: Vec<String> = context
        .env
        .iter()
        .filter(|(name, _)| !is_name(name))
        .map(|(name, _)| format!("{name:?} is no name of a variable and is left out"))
        .collect();
    let groups = context.job.config.items("env");
    let mut secrets: Vec<&str> = Vec::new();
    let mut exports: Vec<String> = Vec::new();
    for (name, value) in groups.iter().filter_map(Value::as_map).flat_map(Map::iter) {
        match value {
            _ if name == "secure" => secrets.push("one without a readable name"),
            Value::Map(_) => secrets.push(name),
            value => exports.push(format!("export {name}={}", plain(value))),
        }
    }
    if !secrets.is_empty() {
        notes.push(format!(
            "encrypted variables cannot be read here and are left out: {}",
            secrets.join(", ")
        ));
    }
    if !exports.is_empty() {
        shell.raw("_travis_say \"$ANSI_YELLOW\" 'Setting environment variables from .travis.yml'");
        exports
            .iter()
            .for_each(|export| shell.command(export, "--echo"));
        shell.raw("echo");
    }
    notes
}

/// A scalar as text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Str(text) => text.to_string(),
        Value::Seq(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| format!("{key}: {}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn is_name(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(word) && !name.as_bytes()[0].is_ascii_digit()
}

/// The text up to a number of bytes, whole characters only.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `2024-02-29T12:00:00Z` (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn iso(time: Time) -> String {
    let seconds = time.seconds();
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Sets a variable that names the version of a language in use.
pub(super) fn write_version(shell: &mut Shell, name: &str, version: &str) {
    if !version.is_empty() {
        shell.raw(&format!("export {name}={}", quote(version)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(iso(Time(0)), "1970-01-01T00:00:00Z");
        assert_eq!(iso(Time(1_709_208_000_000)), "2024-02-29T12:00:00Z");
        assert_eq!(iso(Time(-1)), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn names_of_variables() {
        assert!(is_name("A_1") && is_name("_"));
        assert!(
            !is_name("1A") && !is_name("") && !is_name("A B") && !is_name("A=") && !is_name("Ä")
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
    }
}
