//! Dates and times as the commands print them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// Now, in nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn date_of(nanos: u64) -> OffsetDateTime {
    let seconds = i64::try_from(nanos / 1_000_000_000).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2008-06-30 22:32:48`, now.
pub fn log_time() -> String {
    full_time(now())
}

/// `2008-06-30 22:32:48`.
pub fn full_time(nanos: u64) -> String {
    let t = date_of(nanos);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
}

/// When a process began: `04:12:35` in the last 24 hours, `Jun 18` before.
pub fn start_time(started: u64, now: u64) -> String {
    const DAY: u64 = 86_400 * 1_000_000_000;
    let t = date_of(started);
    if now.saturating_sub(started) < DAY {
        return format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    }
    let month = t.month().to_string();
    format!("{} {:02}", month.get(..3).unwrap_or_default(), t.day())
}

/// Time used as `minutes:seconds`.
pub fn minutes(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A span as `[[days-]hours:]minutes:seconds`, with two digits each.
pub fn elapsed(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, _) => format!("{hours:02}:{rest}"),
        _ => format!("{days}-{hours:02}:{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn dates() {
        assert_eq!(full_time(1_214_865_168 * SECOND), "2008-06-30 22:32:48");
        assert_eq!(
            start_time(1_214_865_168 * SECOND, 1_214_865_170 * SECOND),
            "22:32:48"
        );
        assert_eq!(
            start_time(1_214_865_168 * SECOND, 1_215_865_170 * SECOND),
            "Jun 30"
        );
    }

    #[test]
    fn spans() {
        assert_eq!(minutes(5106 * SECOND), "85:06");
        assert_eq!(elapsed(59 * SECOND), "00:59");
        assert_eq!(elapsed(3661 * SECOND), "01:01:01");
        assert_eq!(elapsed(90_061 * SECOND), "1-01:01:01");
    }
}
