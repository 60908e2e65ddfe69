//! Small pieces of text that several pages show.

use assay_plan::{Build, Commit, Job, Message, State, Time, Used};

use super::log::seconds_text;
use crate::clock;
use crate::v2::shown_state;

/// A moment, for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// `2014-04-08T19:37:44Z`.
    pub(super) exact: String,
    /// `3 min ago`.
    pub(super) ago: String,
}

impl Moment {
    pub(super) fn of(time: Time, now: Time) -> Self {
        Moment {
            exact: clock::text(time),
            ago: ago(clock::seconds_between(time, now)),
        }
    }
}

/// How long ago, roughly.
fn ago(seconds: i64) -> String {
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        172_800..5_184_000 => format!("{} days ago", seconds / 86_400),
        _ => format!("{} months ago", seconds / 2_592_000),
    }
}

/// What a run used; what could not be measured is left out.
pub(super) fn used(used: &Used) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let mut text = format!(
        "{}.{} s of CPU",
        used.cpu_ms / 1000,
        used.cpu_ms % 1000 / 100
    );
    for (value, unit) in [
        (mib(used.memory), "MiB of memory"),
        (mib(used.read), "MiB read"),
        (mib(used.written), "MiB written"),
        (used.processes, "processes"),
    ] {
        if value > 0 {
            text.push_str(&format!(", {value} {unit}"));
        }
    }
    text
}

/// Time from start to end, or to now while it runs.
pub(super) fn elapsed(start: Option<Time>, end: Option<Time>, now: Time) -> Option<String> {
    let start = start?;
    Some(seconds_text(clock::seconds_between(
        start,
        end.unwrap_or(now),
    )))
}

/// A state's name, which is also its class in the style sheet.
pub(super) fn state(state: State) -> &'static str {
    shown_state(state)
}

/// Run time of all jobs of a finished build.
pub(super) fn total(build: &Build, jobs: &[Job]) -> Option<String> {
    crate::v2::jobs_duration(build, jobs).map(seconds_text)
}

/// First line of a commit message, and the rest.
pub(super) fn message(commit: &Commit) -> (String, String) {
    let text = commit.message.trim();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (first.trim().to_owned(), rest.trim().to_owned())
}

/// A remark about the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) level: &'static str,
    /// Line and column in the file, and which file, if it is an imported one.
    pub(super) place: Option<String>,
    /// Dotted path of the key, where it says more than the cause.
    pub(super) key: String,
    pub(super) cause: String,
    pub(super) suggestion: Option<String>,
}

pub(super) fn remarks(messages: &[Message]) -> Vec<Remark> {
    messages
        .iter()
        .map(|message| Remark {
            level: message.level.name(),
            place: message.place.map(|place| {
                let file = message.file.as_deref();
                let file = file.map_or_else(String::new, |file| format!(" of {file}"));
                format!("line {}, column {}{file}", place.line, place.column)
            }),
            key: message.key.clone(),
            cause: message.cause(),
            suggestion: message.suggestion(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_say_where_and_what_to_do() {
        let messages = assay_plan::lint(b"language: c\nos: linux\ndist: focal\nscritps: x\n")
            .unwrap()
            .messages;
        let expected = Remark {
            level: "warn",
            place: Some("line 4, column 1".to_owned()),
            key: "root".to_owned(),
            cause: "`scritps` is no key, and is taken for `script`".to_owned(),
            suggestion: Some("did you mean `script`?".to_owned()),
        };
        assert_eq!(remarks(&messages), [expected]);
    }

    #[test]
    fn ages_are_rough() {
        let texts: Vec<String> = [0, 30, 61, 7_300, 200_000, 9_000_000].map(ago).into();
        assert_eq!(
            texts,
            [
                "just now",
                "30 s ago",
                "1 min ago",
                "2 h ago",
                "2 days ago",
                "3 months ago"
            ]
        );
    }

    #[test]
    fn what_runs_is_measured_to_now() {
        assert_eq!(
            elapsed(Some(Time(0)), None, Time(65_000)).as_deref(),
            Some("1m 05s")
        );
        assert_eq!(
            elapsed(Some(Time(0)), Some(Time(3_000)), Time(65_000)).as_deref(),
            Some("3s")
        );
        assert_eq!(elapsed(None, None, Time(0)), None);
    }
}
