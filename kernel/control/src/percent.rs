//! Percentages with two decimals, and the triple of minimum, soft and hard maximum.

use abi::BasisPoints;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A percentage from 0 to 100 in steps of 0.01, printed with as many decimals as it was given with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Percent {
    hundredths: u16,
    decimals: u8,
}

impl Percent {
    /// `0`.
    pub const ZERO: Percent = Percent {
        hundredths: 0,
        decimals: 0,
    };
    /// `100`.
    pub const WHOLE: Percent = Percent {
        hundredths: 10_000,
        decimals: 0,
    };

    /// Reads `12`, `12.5` or `12.50`, without the percent sign; `None` for anything else and for more than 100.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction_is_odd = text.contains('.') && fraction.is_empty();
        if whole.is_empty() || whole.len() > 3 || fraction.len() > 2 || fraction_is_odd {
            return None;
        }
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole: u16 = whole.parse().ok()?;
        let scale = if fraction.len() == 1 { 10 } else { 1 };
        let part: u16 = if fraction.is_empty() {
            0
        } else {
            fraction.parse::<u16>().ok()? * scale
        };
        let hundredths = whole.checked_mul(100)?.checked_add(part)?;
        let decimals = u8::try_from(fraction.len()).ok()?;
        (hundredths <= BasisPoints::WHOLE.0).then_some(Self {
            hundredths,
            decimals,
        })
    }

    /// The value.
    #[must_use]
    pub const fn basis_points(self) -> BasisPoints {
        BasisPoints(self.hundredths)
    }

    /// Whether the value is in range; a message from outside may hold anything.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.hundredths <= BasisPoints::WHOLE.0 && self.decimals <= 2
    }
}

impl PartialEq for Percent {
    /// Equal in value; how it is printed does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.hundredths == other.hundredths
    }
}

impl Eq for Percent {}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.hundredths / 100, self.hundredths % 100);
        match self.decimals {
            0 => write!(f, "{whole}%"),
            1 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// `m%-s%,h%`: what is guaranteed, what may be had when others want it too, what may be had at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PercentLimits {
    /// Guaranteed part.
    pub minimum: Percent,
    /// Most under contention.
    pub soft_maximum: Percent,
    /// Most ever.
    pub hard_maximum: Percent,
}

impl PercentLimits {
    /// `0%-100%,100%`.
    pub const NONE: PercentLimits = PercentLimits {
        minimum: Percent::ZERO,
        soft_maximum: Percent::WHOLE,
        hard_maximum: Percent::WHOLE,
    };

    /// Reads `m%-s%,h%`; the order of the three values is not checked here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (minimum, rest) = text.split_once("%-")?;
        let (soft, hard) = rest.split_once("%,")?;
        let hard = hard.strip_suffix('%')?;
        Some(Self {
            minimum: Percent::parse(minimum)?,
            soft_maximum: Percent::parse(soft)?,
            hard_maximum: Percent::parse(hard)?,
        })
    }

    /// Whether every value is in range; a message from outside may hold anything.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.minimum.is_valid() && self.soft_maximum.is_valid() && self.hard_maximum.is_valid()
    }
}

impl Default for PercentLimits {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for PercentLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{},{}",
            self.minimum, self.soft_maximum, self.hard_maximum
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn limits_are_printed_as_given() {
        for text in [
            "0%-100%,100%",
            "0.50%-12.25%,33.33%",
            "5%-90%,95%",
            "6.0%-30%,45.5%",
        ] {
            assert_eq!(
                PercentLimits::parse(text).map(|l| l.to_string()).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "5",
            "5%",
            "5%-6%",
            "5%-6%,7",
            "-1%-2%,3%",
            "1%-2%,101%",
            "1.234%-2%,3%",
            "+1%-2%,3%",
            "1.%-2%,3%",
        ] {
            assert_eq!(PercentLimits::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn percent_round_trip(hundredths in 0u16..=10_000) {
            let percent = Percent { hundredths, decimals: 2 };
            let text = format!("{percent}");
            prop_assert_eq!(Percent::parse(text.trim_end_matches('%')), Some(percent));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,20}") {
            if let Some(limits) = PercentLimits::parse(&text) {
                prop_assert!(limits.is_valid());
            }
        }
    }
}
