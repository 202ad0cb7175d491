//! Points in time: milliseconds since 1970 inside, RFC 3339 in UTC with milliseconds outside.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.div_euclid(1000);
        let millisecond = self.0.rem_euclid(1000);
        match jiff::Timestamp::from_second(second) {
            Ok(time) => {
                let date = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
                write!(
                    f,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millisecond:03}Z",
                    date.year(),
                    date.month(),
                    date.day(),
                    date.hour(),
                    date.minute(),
                    date.second()
                )
            }
            // Out of the calendar's range (years beyond 9999): only a broken clock gets here.
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Timestamp {
    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Timestamp> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
    }

    /// Reads what `--since` and `--until` take: RFC 3339, a date, `now`, `today`, `yesterday` (UTC), or a duration (= so long ago).
    pub fn parse_when(text: &str, now: Timestamp) -> Option<Timestamp> {
        const DAY: i64 = 86_400_000;
        match text {
            "now" => return Some(now),
            "today" => return Some(Timestamp(now.0.div_euclid(DAY) * DAY)),
            "yesterday" => return Some(Timestamp((now.0.div_euclid(DAY) - 1) * DAY)),
            _ => {}
        }
        if let Some(length) = parse_duration(text) {
            return Some(Timestamp(now.0.saturating_sub(i64::try_from(length.as_millis()).ok()?)));
        }
        if let Ok(date) = text.parse::<jiff::civil::Date>() {
            return date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| Timestamp(day.timestamp().as_millisecond()));
        }
        Timestamp::parse(text)
    }
}

/// Reads a duration such as `250ms`, `30s`, `10m`, `1h`, `7d` or `1h30m`; a bare number is refused, because its unit would be a guess.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    let mut rest = text;
    let mut total = 0f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    std::time::Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn written_and_read() {
        for text in ["2026-11-21T05:18:54.007Z", "1969-12-31T23:59:59.999Z", "2000-02-29T00:00:00.000Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "5", "s", "1x", "-1s", "1e3s", "1s2"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn when() {
        let now = Timestamp::parse("2026-11-21T05:18:54.007Z").unwrap();
        let at = |text: &str| Timestamp::parse_when(text, now).unwrap().to_string();
        assert_eq!(at("today"), "2026-11-21T00:00:00.000Z");
        assert_eq!(at("yesterday"), "2026-11-20T00:00:00.000Z");
        assert_eq!(at("2h"), "2026-11-21T03:18:54.007Z");
        assert_eq!(at("2026-11-01"), "2026-11-01T00:00:00.000Z");
        assert_eq!(at("2026-11-01T01:00:00+01:00"), "2026-11-01T00:00:00.000Z");
        assert!(Timestamp::parse_when("soon", now).is_none());
    }
}
