//! The one place where this crate asks for the time, and the one where it writes it down.

use std::time::SystemTime;

use assay_plan::Time;

/// The present moment.
pub(crate) fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the only form that Travis' clients read.
pub(crate) fn text(time: Time) -> String {
    jiff::Timestamp::from_second(time.seconds())
        .map(|stamp| stamp.to_string())
        .unwrap_or_default()
}

/// Whole seconds from `start` to `end`, never negative.
pub(crate) fn seconds_between(start: Time, end: Time) -> i64 {
    end.seconds().saturating_sub(start.seconds()).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_whole_seconds_and_a_z() {
        assert_eq!(text(Time(1_400_000_000_999)), "2014-05-13T16:53:20Z");
        assert_eq!(text(Time(0)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn durations_are_never_negative() {
        assert_eq!(seconds_between(Time(5_000), Time(1_000)), 0);
        assert_eq!(seconds_between(Time(1_500), Time(3_499)), 2);
    }
}
