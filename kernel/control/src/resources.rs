//! Resource attributes of a WPAR: their names, values, defaults and rules.
//!
//! Reading, printing and checking happen here only, so that a command, a specification file and the kernel
//! cannot disagree. The kernel calls [`ResourceControls::validate`] on what it receives: a message is not
//! proof of anything.

use crate::percent::{Percent, PercentLimits};
use abi::BasisPoints;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;
use serde::{Deserialize, Serialize};

/// A number of shares, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shares(pub NonZeroU16);

/// An amount of memory in units of 2^20 bytes; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Megabytes(pub u64);

/// Everything that `-R` sets. `None` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceControls {
    /// `active`: whether the controls below are enforced.
    pub active: bool,
    /// `rset`: the resource set whose CPUs are used.
    pub resource_set: Option<String>,
    /// `shares_CPU`.
    pub cpu_shares: Option<Shares>,
    /// `CPU`.
    pub cpu: PercentLimits,
    /// `shares_memory`.
    pub memory_shares: Option<Shares>,
    /// `memory`.
    pub memory: PercentLimits,
    /// `totalProcesses`.
    pub total_processes: Option<u32>,
    /// `totalThreads`.
    pub total_threads: Option<u32>,
    /// `procVirtMem`: virtual memory of one process.
    pub process_virtual_memory: Option<Megabytes>,
}

/// Why resource attributes were refused. Its text names the attribute and the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceError {
    /// No such attribute.
    Unknown(String),
    /// The attribute cannot have the value; what it takes.
    BadValue {
        /// Name of the attribute.
        attribute: &'static str,
        /// The value as given.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// Two values of one attribute are in the wrong order.
    Order {
        /// Name of the attribute.
        attribute: &'static str,
        /// Name of the value that must not be the larger.
        lower: &'static str,
        /// That value.
        low: Percent,
        /// Name of the value that must not be the smaller.
        upper: &'static str,
        /// That value.
        high: Percent,
    },
    /// Fewer threads than processes.
    ThreadsBelowProcesses {
        /// `totalThreads`.
        threads: u32,
        /// `totalProcesses`.
        processes: u32,
    },
    /// The minimums of all running WPARs together would exceed the whole.
    MinimumSum {
        /// Name of the attribute.
        attribute: &'static str,
        /// The minimum asked for.
        minimum: Percent,
        /// The sum of the others, in hundredths of a percent.
        others: u32,
    },
    /// There is no memory, be it to say what is wrong.
    NoMemory,
}

/// The value of one attribute; [`ResourceControls::set`] reads what it is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceValue<'a> {
    /// `yes` or `no`.
    Switch(bool),
    /// A name, or nothing.
    Name(Option<&'a str>),
    /// Shares.
    Shares(Option<Shares>),
    /// Minimum, soft and hard maximum.
    Limits(&'a PercentLimits),
    /// A number of processes or threads.
    Count(Option<u32>),
    /// An amount of memory.
    Memory(Option<Megabytes>),
}

const SHARES: &str = "a number from 1 to 65535 or unlimited";
const LIMITS: &str = "MIN%-SOFT%,HARD% with values from 0 to 100 and at most two decimals";
const COUNT: &str = "a number from 1 to 4294967295 or unlimited";
const MEMORY: &str = "a number from 1 with MB, GB or TB, or unlimited";
const UNLIMITED: &str = "unlimited";

impl ResourceControls {
    /// The attributes, in the order in which they are listed and stored.
    pub const ATTRIBUTES: [&'static str; 9] = [
        "active",
        "rset",
        "shares_CPU",
        "CPU",
        "shares_memory",
        "memory",
        "totalProcesses",
        "totalThreads",
        "procVirtMem",
    ];

    /// Sets one attribute from its text. Rules between attributes are for [`Self::validate`], since several
    /// may be set together.
    ///
    /// # Errors
    /// [`ResourceError::Unknown`] and [`ResourceError::BadValue`]; nothing has changed then.
    pub fn set(&mut self, attribute: &str, value: &str) -> Result<(), ResourceError> {
        match attribute {
            "active" => {
                self.active =
                    parse_yes_no(value).ok_or_else(|| bad("active", value, "yes or no"))?;
            }
            "rset" => {
                if !is_set_name(value) {
                    return Err(bad("rset", value, "the name of a resource set"));
                }
                // The empty name takes the resource set away.
                let set = (!value.is_empty()).then(|| fallible::string(value));
                self.resource_set = set.transpose().map_err(|_| ResourceError::NoMemory)?;
            }
            "shares_CPU" => self.cpu_shares = parse_shares("shares_CPU", value)?,
            "CPU" => {
                self.cpu = PercentLimits::parse(value).ok_or_else(|| bad("CPU", value, LIMITS))?
            }
            "shares_memory" => self.memory_shares = parse_shares("shares_memory", value)?,
            "memory" => {
                self.memory =
                    PercentLimits::parse(value).ok_or_else(|| bad("memory", value, LIMITS))?
            }
            "totalProcesses" => self.total_processes = parse_count("totalProcesses", value)?,
            "totalThreads" => self.total_threads = parse_count("totalThreads", value)?,
            "procVirtMem" => self.process_virtual_memory = parse_memory(value)?,
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    /// Gives one attribute its default back.
    ///
    /// # Errors
    /// [`ResourceError::Unknown`].
    pub fn reset(&mut self, attribute: &str) -> Result<(), ResourceError> {
        let default = Self::default();
        match attribute {
            "active" => self.active = default.active,
            "rset" => self.resource_set = default.resource_set,
            "shares_CPU" => self.cpu_shares = default.cpu_shares,
            "CPU" => self.cpu = default.cpu,
            "shares_memory" => self.memory_shares = default.memory_shares,
            "memory" => self.memory = default.memory,
            "totalProcesses" => self.total_processes = default.total_processes,
            "totalThreads" => self.total_threads = default.total_threads,
            "procVirtMem" => self.process_virtual_memory = default.process_virtual_memory,
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    /// The attributes and their values, in the order of [`Self::ATTRIBUTES`].
    #[must_use]
    pub fn attributes(&self) -> [(&'static str, ResourceValue<'_>); 9] {
        use ResourceValue::{Count, Limits, Memory, Name, Shares, Switch};
        let [
            active,
            set,
            cpu_shares,
            cpu,
            memory_shares,
            memory,
            processes,
            threads,
            each,
        ] = Self::ATTRIBUTES;
        [
            (active, Switch(self.active)),
            (set, Name(self.resource_set.as_deref())),
            (cpu_shares, Shares(self.cpu_shares)),
            (cpu, Limits(&self.cpu)),
            (memory_shares, Shares(self.memory_shares)),
            (memory, Limits(&self.memory)),
            (processes, Count(self.total_processes)),
            (threads, Count(self.total_threads)),
            (each, Memory(self.process_virtual_memory)),
        ]
    }

    /// Checks the rules within one WPAR: minimum ≤ soft ≤ hard maximum, threads ≥ processes, ranges.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ResourceError> {
        check_order("CPU", &self.cpu)?;
        check_order("memory", &self.memory)?;
        for (attribute, count) in [
            ("totalProcesses", self.total_processes),
            ("totalThreads", self.total_threads),
        ] {
            if count == Some(0) {
                return Err(bad(attribute, "0", COUNT));
            }
        }
        if self
            .process_virtual_memory
            .is_some_and(|Megabytes(n)| n == 0 || n > Megabytes::LARGEST.0)
        {
            return Err(bad(
                "procVirtMem",
                ResourceValue::Memory(self.process_virtual_memory),
                MEMORY,
            ));
        }
        match (self.total_threads, self.total_processes) {
            (Some(threads), Some(processes)) if threads < processes => {
                Err(ResourceError::ThreadsBelowProcesses { threads, processes })
            }
            _ => Ok(()),
        }
    }
}

impl Default for ResourceControls {
    fn default() -> Self {
        Self {
            active: true,
            resource_set: None,
            cpu_shares: None,
            cpu: PercentLimits::NONE,
            memory_shares: None,
            memory: PercentLimits::NONE,
            total_processes: None,
            total_threads: None,
            process_virtual_memory: None,
        }
    }
}

impl Megabytes {
    /// The most that fits the 64-bit number of bytes.
    pub const LARGEST: Megabytes = Megabytes(u64::MAX >> 20);

    /// The amount in bytes; saturates.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
}

/// Checks that the minimum of one WPAR and those of all other running ones make at most the whole.
///
/// `others` is the sum of the CPU minimums (or the memory minimums) of every other WPAR that runs, its controls
/// active or not, in hundredths of a percent. To be called at start and at every change, for `CPU` and for `memory`.
///
/// # Errors
/// [`ResourceError::MinimumSum`].
pub fn check_minimum_sum(
    attribute: &'static str,
    minimum: Percent,
    others: u32,
) -> Result<(), ResourceError> {
    if others + u32::from(minimum.basis_points().0) > u32::from(BasisPoints::WHOLE.0) {
        return Err(ResourceError::MinimumSum {
            attribute,
            minimum,
            others,
        });
    }
    Ok(())
}

fn check_order(attribute: &'static str, limits: &PercentLimits) -> Result<(), ResourceError> {
    if !limits.is_valid() {
        return Err(bad(attribute, limits, LIMITS));
    }
    let named = [
        ("minimum", limits.minimum),
        ("soft maximum", limits.soft_maximum),
        ("hard maximum", limits.hard_maximum),
    ];
    for pair in named.windows(2) {
        if let [(lower, low), (upper, high)] = *pair
            && low.basis_points() > high.basis_points()
        {
            return Err(ResourceError::Order {
                attribute,
                lower,
                low,
                upper,
                high,
            });
        }
    }
    Ok(())
}

fn unknown(attribute: &str) -> ResourceError {
    fallible::string(attribute).map_or(ResourceError::NoMemory, ResourceError::Unknown)
}

fn bad(attribute: &'static str, value: impl fmt::Display, expected: &'static str) -> ResourceError {
    let Ok(value) = fallible::text(format_args!("{value}")) else {
        return ResourceError::NoMemory;
    };
    ResourceError::BadValue {
        attribute,
        value,
        expected,
    }
}

fn parse_yes_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn is_set_name(value: &str) -> bool {
    value.len() <= 255
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
}

/// Digits only: no sign, no blanks.
fn parse_number(value: &str) -> Option<u64> {
    let good = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if good { value.parse().ok() } else { None }
}

fn parse_shares(attribute: &'static str, value: &str) -> Result<Option<Shares>, ResourceError> {
    if value == UNLIMITED {
        return Ok(None);
    }
    let shares = parse_number(value)
        .and_then(|n| u16::try_from(n).ok())
        .and_then(NonZeroU16::new);
    shares
        .map(|n| Some(Shares(n)))
        .ok_or_else(|| bad(attribute, value, SHARES))
}

fn parse_count(attribute: &'static str, value: &str) -> Result<Option<u32>, ResourceError> {
    if value == UNLIMITED {
        return Ok(None);
    }
    let count = parse_number(value)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n > 0);
    count.map(Some).ok_or_else(|| bad(attribute, value, COUNT))
}

fn parse_memory(value: &str) -> Result<Option<Megabytes>, ResourceError> {
    if value == UNLIMITED {
        return Ok(None);
    }
    let units = [("MB", 1), ("GB", 1 << 10), ("TB", 1 << 20)];
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, *factor)))
        .unwrap_or((value, 1));
    let megabytes = parse_number(digits).and_then(|n| n.checked_mul(factor));
    let megabytes = megabytes.filter(|n| *n > 0 && *n <= Megabytes::LARGEST.0);
    megabytes
        .map(|n| Some(Megabytes(n)))
        .ok_or_else(|| bad("procVirtMem", value, MEMORY))
}

impl fmt::Display for ResourceValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(true) => f.write_str("yes"),
            Self::Switch(false) => f.write_str("no"),
            Self::Name(name) => f.write_str(name.unwrap_or_default()),
            Self::Shares(Some(shares)) => shares.fmt(f),
            Self::Limits(limits) => limits.fmt(f),
            Self::Count(Some(count)) => count.fmt(f),
            Self::Memory(Some(amount)) => amount.fmt(f),
            Self::Shares(None) | Self::Count(None) | Self::Memory(None) => f.write_str(UNLIMITED),
        }
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MB", self.0)
    }
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(attribute) => write!(f, "resources.{attribute} is not a known attribute"),
            Self::BadValue {
                attribute,
                value,
                expected,
            } => {
                write!(f, "resources.{attribute} ({value}) must be {expected}")
            }
            Self::Order {
                attribute,
                lower,
                low,
                upper,
                high,
            } => {
                write!(
                    f,
                    "resources.{attribute} {lower} ({low}) must be <= {upper} ({high})"
                )
            }
            Self::ThreadsBelowProcesses { threads, processes } => {
                write!(
                    f,
                    "resources.totalThreads ({threads}) must be >= totalProcesses ({processes})"
                )
            }
            Self::MinimumSum {
                attribute,
                minimum,
                others,
            } => write!(
                f,
                "resources.{attribute} minimum ({minimum}) and the minimums of the other running workload \
                 partitions ({}.{:02}%) must be <= 100% together",
                others / 100,
                others % 100
            ),
            Self::NoMemory => f.write_str("there is no memory"),
        }
    }
}

impl core::error::Error for ResourceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn with(attributes: &[(&str, &str)]) -> Result<ResourceControls, ResourceError> {
        let mut controls = ResourceControls::default();
        for (attribute, value) in attributes {
            controls.set(attribute, value)?;
        }
        controls.validate()?;
        Ok(controls)
    }

    fn refusal(attributes: &[(&str, &str)]) -> String {
        with(attributes)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn texts_of_the_specification() {
        assert_eq!(
            refusal(&[("totalThreads", "16"), ("totalProcesses", "32")]),
            "resources.totalThreads (16) must be >= totalProcesses (32)"
        );
        assert_eq!(
            refusal(&[("CPU", "60%-50%,95%")]),
            "resources.CPU minimum (60%) must be <= soft maximum (50%)"
        );
        assert!(refusal(&[("shares_CPU", "0")]).starts_with("resources.shares_CPU (0) must be "));
        assert!(
            refusal(&[("shares_CPU", "70000")])
                .starts_with("resources.shares_CPU (70000) must be ")
        );
        assert!(refusal(&[("colour", "red")]).contains("colour"));
    }

    #[test]
    fn memory_units() {
        let stored = |text| {
            let controls = with(&[("procVirtMem", text)]);
            controls.map(|c| ResourceValue::Memory(c.process_virtual_memory).to_string())
        };
        assert_eq!(stored("1TB").as_deref(), Ok("1048576MB"));
        assert_eq!(stored("3GB").as_deref(), Ok("3072MB"));
        assert_eq!(stored("7").as_deref(), Ok("7MB"));
        assert_eq!(stored("unlimited").as_deref(), Ok("unlimited"));
        assert!(
            stored("0").is_err()
                && stored("99999999999999999TB").is_err()
                && stored("1PB").is_err()
        );
    }

    #[test]
    fn minimums_add_up_to_the_whole_at_most() {
        let minimum = Percent::parse("95").expect("a percentage");
        assert!(check_minimum_sum("CPU", minimum, 500).is_ok());
        let error = check_minimum_sum("CPU", minimum, 501);
        assert!(
            error
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
                .contains("(95%)")
        );
    }

    #[test]
    fn reset_gives_defaults() {
        let mut controls = with(&[
            ("shares_CPU", "4"),
            ("CPU", "1%-2%,3%"),
            ("active", "no"),
            ("rset", "x"),
        ])
        .expect("valid attributes");
        for attribute in ResourceControls::ATTRIBUTES {
            controls.reset(attribute).expect("a known attribute");
        }
        assert_eq!(controls, ResourceControls::default());
    }

    prop_compose! {
        fn percents()(a in 0u16..=10_000, b in 0u16..=10_000, c in 0u16..=10_000) -> String {
            let mut v = [a, b, c];
            v.sort_unstable();
            let [m, s, h] = v.map(|p| alloc::format!("{}%", BasisPoints(p)));
            alloc::format!("{m}-{s},{h}")
        }
    }

    prop_compose! {
        fn valid_controls()(
            active in any::<bool>(), set in proptest::option::of("[a-z/]{1,9}"),
            shares in any::<[Option<NonZeroU16>; 2]>(), cpu in percents(), memory in percents(),
            processes in proptest::option::of(1u32..9999), more in 0u32..99, threads in any::<bool>(),
            megabytes in proptest::option::of(1u64..=Megabytes::LARGEST.0),
        ) -> ResourceControls {
            ResourceControls {
                active, resource_set: set,
                cpu_shares: shares[0].map(Shares), memory_shares: shares[1].map(Shares),
                cpu: PercentLimits::parse(&cpu).unwrap_or_default(),
                memory: PercentLimits::parse(&memory).unwrap_or_default(),
                total_processes: processes,
                total_threads: processes.filter(|_| threads).map(|p| p + more),
                process_virtual_memory: megabytes.map(Megabytes),
            }
        }
    }

    proptest! {
        #[test]
        fn attributes_round_trip(controls in valid_controls()) {
            prop_assert_eq!(controls.validate(), Ok(()));
            let mut again = ResourceControls::default();
            for (attribute, value) in controls.attributes() {
                prop_assert_eq!(again.set(attribute, &value.to_string()), Ok(()));
            }
            prop_assert_eq!(&again, &controls);
            for ((_, a), (_, b)) in again.attributes().iter().zip(controls.attributes()) {
                prop_assert_eq!(a, &b);
            }
        }

        #[test]
        fn a_refused_value_changes_nothing(which in 0usize..9, value in ".{0,20}") {
            let mut controls = ResourceControls::default();
            if controls.set(ResourceControls::ATTRIBUTES[which], &value).is_err() {
                prop_assert_eq!(controls, ResourceControls::default());
            }
        }
    }
}
