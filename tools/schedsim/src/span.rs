//! Spans of time as a scenario spells them: `250us`, `1.5ms`, `30s`.

use abi::{Nanos, Ticks};
use sched::simulation::TIMEBASE;
use serde::Deserialize;

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Nanos);

impl Span {
    /// In ticks of the simulated timebase.
    #[must_use]
    pub fn ticks(self) -> Ticks {
        TIMEBASE.ticks(self.0)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = match text.get(digits.len()..) {
            Some("us") => 1e3,
            Some("ms") => 1e6,
            Some("s") => 1e9,
            _ => {
                return Err(format!(
                    "{text:?} is no span of time: a number and us, ms or s"
                ));
            }
        };
        let count: f64 = digits
            .parse()
            .map_err(|_| format!("{text:?} is no span of time: {digits:?} is no number"))?;
        if !(0.0..=1e6).contains(&count) {
            return Err(format!("{text:?} is out of range"));
        }
        Ok(Self(Nanos((count * unit).round() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SIM0001: spans are read with their units, and nothing else is.
    #[test]
    fn sim0001_spans() {
        let read = |text: &str| Span::try_from(text.to_owned()).map(|span| span.0.0);
        assert_eq!(read("250us"), Ok(250_000));
        assert_eq!(read("1.5ms"), Ok(1_500_000));
        assert_eq!(read("30s"), Ok(30_000_000_000));
        for bad in ["", "ms", "3", "-1ms", "1 ms", "1h", "NaNs", "1e99s"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
