//! Names of WPARs.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A well-formed name: 1 to 25 letters, digits, `_`, `-`, `.`; the first not `-` or `.`; not `Global`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WparName(String);

/// Why a text is no name of a WPAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no character.
    Empty,
    /// It has more than [`WparName::LENGTH_LIMIT`] characters.
    TooLong,
    /// It begins with `-` or `.`.
    BadStart,
    /// It contains something else than letters, digits, `_`, `-`, `.`.
    BadCharacter,
    /// It is `Global` in any case, the name of the global environment.
    Reserved,
    /// There is no memory for it.
    NoMemory,
}

impl WparName {
    /// How many characters a name may have.
    pub const LENGTH_LIMIT: usize = 25;
    /// The name of the global environment.
    pub const GLOBAL: &'static str = "Global";

    /// The name that a text is.
    ///
    /// # Errors
    /// The first rule that the text breaks; [`NameError::NoMemory`].
    pub fn new(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        let text = fallible::string(text).map_err(|_| NameError::NoMemory)?;
        Ok(Self(text))
    }

    fn check(text: &str) -> Result<(), NameError> {
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if !text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        {
            return Err(NameError::BadCharacter);
        }
        if matches!(first, '-' | '.') {
            return Err(NameError::BadStart);
        }
        if text.len() > Self::LENGTH_LIMIT {
            return Err(NameError::TooLong);
        }
        if text.eq_ignore_ascii_case(Self::GLOBAL) {
            return Err(NameError::Reserved);
        }
        Ok(())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WparName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::check(&text)?;
        Ok(Self(text))
    }
}

impl From<WparName> for String {
    fn from(name: WparName) -> String {
        name.0
    }
}

impl fmt::Display for WparName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a name needs at least one character",
            Self::TooLong => "a name has at most 25 characters",
            Self::BadStart => "a name cannot begin with '-' or '.'",
            Self::BadCharacter => "a name consists of letters, digits, '_', '-' and '.'",
            Self::Reserved => "the name is reserved for the global environment",
            Self::NoMemory => "there is no memory for the name",
        })
    }
}

impl core::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_names_are_named() {
        assert_eq!(WparName::new(""), Err(NameError::Empty));
        assert_eq!(WparName::new("-x"), Err(NameError::BadStart));
        assert_eq!(WparName::new(".x"), Err(NameError::BadStart));
        assert_eq!(WparName::new("a/b"), Err(NameError::BadCharacter));
        assert_eq!(WparName::new("gLOBAL"), Err(NameError::Reserved));
        assert_eq!(
            WparName::new("abcdefghijklmnopqrstuvwxyz"),
            Err(NameError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn every_name_of_the_grammar_is_accepted(text in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,24}") {
            prop_assume!(!text.eq_ignore_ascii_case("global"));
            prop_assert_eq!(WparName::new(&text).map(|n| n.0), Ok(text));
        }

        #[test]
        fn nothing_accepted_can_leave_a_directory(text in ".{0,30}") {
            if let Ok(name) = WparName::new(&text) {
                prop_assert!(!name.as_str().contains('/') && name.as_str() != ".." && name.as_str() != ".");
            }
        }
    }
}
