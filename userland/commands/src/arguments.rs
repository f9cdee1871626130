//! Arguments: options up to the first operand, and lists of attributes.
//!
//! Every mistake ends in the one usage line of the command; there is no second way to say it.

use lexopt::{Arg, Parser};
use std::ffi::OsString;

/// The arguments do not fit the usage line.
#[derive(Debug, PartialEq, Eq)]
pub struct BadUsage;

impl From<lexopt::Error> for BadUsage {
    fn from(_: lexopt::Error) -> Self {
        BadUsage
    }
}

/// An option.
#[derive(Debug, PartialEq, Eq)]
pub enum Flag {
    /// `-x`.
    Short(char),
    /// `--help`, `--version`; the commands know no other.
    Long(String),
}

/// The words of a command line, read from left to right.
pub struct Arguments {
    parser: Parser,
    operands: Vec<OsString>,
}

impl Arguments {
    /// Words after the command's name.
    pub fn new(words: Vec<OsString>) -> Self {
        Self {
            parser: Parser::from_args(words),
            operands: Vec::new(),
        }
    }

    /// The next option; `None` when the operands begin or nothing is left.
    pub fn next_flag(&mut self) -> Result<Option<Flag>, BadUsage> {
        match self.parser.next()? {
            None => Ok(None),
            Some(Arg::Short(letter)) => Ok(Some(Flag::Short(letter))),
            Some(Arg::Long(name)) => Ok(Some(Flag::Long(name.to_owned()))),
            Some(Arg::Value(first)) => {
                self.operands.push(first);
                self.operands.extend(self.parser.raw_args()?);
                Ok(None)
            }
        }
    }

    /// The value of the option that was just read, whatever it looks like.
    pub fn value(&mut self) -> Result<OsString, BadUsage> {
        Ok(self.parser.value()?)
    }

    /// The value as text.
    pub fn text(&mut self) -> Result<String, BadUsage> {
        self.value()?.into_string().map_err(|_| BadUsage)
    }

    /// The value as a number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T, BadUsage> {
        self.text()?.parse().map_err(|_| BadUsage)
    }

    /// The next word when it neither begins with a dash nor ends the options.
    pub fn optional_word(&mut self) -> Option<String> {
        if let Some(attached) = self.parser.optional_value() {
            return attached.into_string().ok();
        }
        let mut raw = self.parser.try_raw_args()?;
        let plain = |word: &OsString| word.to_str().is_some_and(|w| !w.starts_with('-'));
        raw.peek()
            .and_then(|w| w.to_str())
            .filter(|w| !w.starts_with('-'))?;
        raw.next().filter(plain)?.into_string().ok()
    }

    /// `name=value` words: at least one, then as many as follow. A word that begins with a dash is an option.
    pub fn attributes(&mut self) -> Result<Vec<(String, String)>, BadUsage> {
        let mut list = vec![split_attribute(&self.text()?).ok_or(BadUsage)?];
        if let Some(mut raw) = self.parser.try_raw_args() {
            while let Some(attribute) = raw
                .peek()
                .and_then(|w| w.to_str())
                .and_then(split_attribute)
            {
                list.push(attribute);
                raw.next();
            }
        }
        Ok(list)
    }

    /// The operands, when there are no options left.
    pub fn operands(self) -> Vec<OsString> {
        self.operands
    }

    /// The operands as text, `least` to `most` of them.
    pub fn names(self, least: usize, most: usize) -> Result<Vec<String>, BadUsage> {
        if self.operands.len() < least || self.operands.len() > most {
            return Err(BadUsage);
        }
        self.operands
            .into_iter()
            .map(|word| word.into_string().map_err(|_| BadUsage))
            .collect()
    }

    /// The only operand, as text.
    pub fn name(self) -> Result<String, BadUsage> {
        self.names(1, 1)?.pop().ok_or(BadUsage)
    }
}

fn split_attribute(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    (!name.is_empty() && !name.starts_with('-')).then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn an_attribute_list_ends_at_the_first_other_word() {
        let mut a = arguments("-R shares_CPU=10 CPU=5%-90%,95% hi -x");
        assert_eq!(a.next_flag(), Ok(Some(Flag::Short('R'))));
        let list = a.attributes().expect("a list");
        assert_eq!(
            list,
            [
                ("shares_CPU".into(), "10".into()),
                ("CPU".into(), "5%-90%,95%".into())
            ]
        );
        assert_eq!(a.next_flag(), Ok(None));
        assert_eq!(a.operands(), ["hi", "-x"]);
    }

    #[test]
    fn an_attribute_list_ends_at_an_option() {
        let mut a = arguments("-R active=no -n name");
        a.next_flag().expect("an option");
        assert_eq!(a.attributes().map(|l| l.len()), Ok(1));
        assert_eq!(a.next_flag(), Ok(Some(Flag::Short('n'))));
        assert_eq!(a.text().as_deref(), Ok("name"));
        assert_eq!(a.next_flag(), Ok(None));
    }

    #[test]
    fn an_attribute_list_needs_an_attribute() {
        let mut a = arguments("-R name");
        a.next_flag().expect("an option");
        assert_eq!(a.attributes(), Err(BadUsage));
    }

    #[test]
    fn two_dashes_end_the_options() {
        let mut a = arguments("-v -- -x y");
        assert_eq!(a.next_flag(), Ok(Some(Flag::Short('v'))));
        assert_eq!(a.next_flag(), Ok(None));
        assert_eq!(a.operands(), ["-x", "y"]);
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        let mut a = arguments("-n -x");
        a.next_flag().expect("an option");
        assert_eq!(a.text().as_deref(), Ok("-x"));
    }

    #[test]
    fn optional_words() {
        let mut a = arguments("-ef -@ alpha");
        while a.next_flag().expect("options") != Some(Flag::Short('@')) {}
        assert_eq!(a.optional_word().as_deref(), Some("alpha"));
        let mut a = arguments("-@ -ef");
        a.next_flag().expect("an option");
        assert_eq!(a.optional_word(), None);
        assert_eq!(a.next_flag(), Ok(Some(Flag::Short('e'))));
    }
}
