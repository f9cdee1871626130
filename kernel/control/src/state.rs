//! The states of a WPAR and the transitions between them.
//!
//! This is the only definition; the kernel checks with it and the commands predict with it. The way from
//! nothing and to nothing is not a state: see [`WparState::may_begin`] and [`WparState::may_vanish`].

use core::fmt;
use serde::{Deserialize, Serialize};

/// Where a WPAR is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WparState {
    /// Exists on disk; nothing runs. The kernel has no object for it.
    Defined,
    /// Running.
    Active,
    /// A transition failed, and its recovery failed too.
    Broken,
    /// Between two states.
    Transitional,
    /// A checkpoint or a restore has succeeded; resume or kill comes next.
    Paused,
    /// All processes are stopped at a consistent point, nothing was written.
    Frozen,
    /// Arrival side of a move: objects exist and do not run yet.
    Loaded,
    /// Departure side of a move: memory is being sent.
    Moving,
}

impl WparState {
    /// Every state, in the order of the specification's table.
    pub const ALL: [WparState; 8] = [
        Self::Defined,
        Self::Active,
        Self::Broken,
        Self::Transitional,
        Self::Paused,
        Self::Frozen,
        Self::Loaded,
        Self::Moving,
    ];

    /// Whether `next` may follow this state at once.
    ///
    /// Every state may become Broken, when a transition and its recovery have failed. Broken becomes
    /// Defined by force only.
    #[must_use]
    pub const fn may_become(self, next: WparState) -> bool {
        use WparState::{Active, Broken, Defined, Frozen, Loaded, Moving, Paused, Transitional};
        match (self, next) {
            (Broken, _) => matches!(next, Defined),
            (_, Broken)
            | (Defined | Active | Loaded | Moving, Transitional)
            | (Transitional, Defined | Active | Loaded | Moving)
            | (Active, Frozen)
            | (Frozen, Active | Paused)
            | (Paused, Active | Defined) => true,
            _ => false,
        }
    }

    /// Whether a new WPAR may begin in this state.
    #[must_use]
    pub const fn may_begin(self) -> bool {
        matches!(self, Self::Transitional)
    }

    /// Whether a WPAR in this state may cease to exist.
    #[must_use]
    pub const fn may_vanish(self) -> bool {
        matches!(self, Self::Defined | Self::Transitional | Self::Broken)
    }

    /// The letter that `lswpar` shows.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Defined => 'D',
            Self::Active => 'A',
            Self::Broken => 'B',
            Self::Transitional => 'T',
            Self::Paused => 'P',
            Self::Frozen => 'F',
            Self::Loaded => 'L',
            Self::Moving => 'M',
        }
    }

    /// The state with a letter, of either case.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.letter() == letter.to_ascii_uppercase())
    }
}

impl fmt::Display for WparState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Defined => "Defined",
            Self::Active => "Active",
            Self::Broken => "Broken",
            Self::Transitional => "Transitional",
            Self::Paused => "Paused",
            Self::Frozen => "Frozen",
            Self::Loaded => "Loaded",
            Self::Moving => "Moving",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WparState::{Active, Broken, Defined, Frozen, Loaded, Moving, Paused, Transitional};

    fn legal(path: &[WparState]) -> bool {
        path.windows(2).all(|step| step[0].may_become(step[1]))
    }

    #[test]
    fn the_paths_of_the_specification_are_legal() {
        assert!(Transitional.may_begin());
        assert!(legal(&[
            Transitional,
            Defined,
            Transitional,
            Active,
            Transitional,
            Defined
        ]));
        assert!(legal(&[Active, Frozen, Active]));
        assert!(legal(&[Active, Frozen, Paused, Active]));
        assert!(legal(&[Paused, Defined]));
        assert!(legal(&[
            Active,
            Transitional,
            Moving,
            Transitional,
            Defined
        ]));
        assert!(legal(&[
            Defined,
            Transitional,
            Loaded,
            Transitional,
            Active
        ]));
    }

    #[test]
    fn nothing_skips_the_transitional_state() {
        assert!(!Defined.may_become(Active));
        assert!(!Active.may_become(Defined));
        assert!(!Active.may_become(Moving));
        assert!(!Loaded.may_become(Active));
    }

    #[test]
    fn a_running_partition_cannot_vanish() {
        for state in [Active, Paused, Frozen, Loaded, Moving] {
            assert!(!state.may_vanish());
        }
    }

    #[test]
    fn broken_leads_to_defined_only() {
        for state in WparState::ALL {
            assert_eq!(Broken.may_become(state), state == Defined);
            assert_eq!(state.may_become(Broken), state != Broken);
        }
    }

    #[test]
    fn letters_are_distinct_and_lead_back() {
        for state in WparState::ALL {
            assert_eq!(WparState::from_letter(state.letter()), Some(state));
        }
        assert_eq!(WparState::from_letter('x'), None);
    }
}
