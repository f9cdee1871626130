//! Stanza files: `name:` lines, each followed by `key = "value"` lines.
//!
//! The format of specification files and of `/etc/wpars/NAME.cf`. Lines that begin with `*` or `#` are
//! comments. The same stanza name may come several times. In a quoted value `\"` and `\\` stand for the
//! character itself; a value without quotes ends with its line.

use std::fmt::Write;

/// A named group of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// What it is about: `general`, `resources`, `mount` …
    pub name: String,
    /// Settings in their order.
    pub settings: Vec<(String, String)>,
}

/// Why a text is no stanza file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StanzaError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Stanza {
    /// A stanza without settings.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            settings: Vec::new(),
        }
    }
}

/// Reads a stanza file.
///
/// # Errors
/// The first line that is neither blank, comment, stanza name nor setting.
pub fn parse(text: &str) -> Result<Vec<Stanza>, StanzaError> {
    let mut stanzas: Vec<Stanza> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let error = |reason| StanzaError {
            line: number + 1,
            reason,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['*', '#']) {
            continue;
        }
        if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            if !is_word(key) {
                return Err(error("not a setting"));
            }
            let stanza = stanzas
                .last_mut()
                .ok_or_else(|| error("a setting before the first stanza"))?;
            stanza.settings.push((
                key.to_owned(),
                unquote(value.trim()).ok_or_else(|| error("bad quotes"))?,
            ));
        } else {
            let name = line.strip_suffix(':').filter(|name| is_word(name));
            stanzas.push(Stanza::new(
                name.ok_or_else(|| error("neither stanza nor setting"))?,
            ));
        }
    }
    Ok(stanzas)
}

/// Writes a stanza file. Control characters do not survive: they become blanks.
pub fn format(stanzas: &[Stanza]) -> String {
    let mut text = String::new();
    for stanza in stanzas {
        let written = write!(text, "\n{}:\n", stanza.name);
        debug_assert!(written.is_ok(), "a string takes everything");
        for (key, value) in &stanza.settings {
            text.push('\t');
            text.push_str(key);
            text.push_str(" = \"");
            for c in value.chars() {
                match c {
                    '"' | '\\' => text.extend(['\\', c]),
                    c if c.is_control() => text.push(' '),
                    c => text.push(c),
                }
            }
            text.push_str("\"\n");
        }
    }
    text
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn unquote(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => value.push(characters.next()?),
            c => value.push(c),
        }
    }
    characters.as_str().trim().is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_specification_is_read() {
        let text = "* comment\n\ngeneral:\n\tname = \"kenny\"\n\tauto = no\n# x\nmount:\n\tdev = \"/usr\"\nmount:\n";
        let stanzas = parse(text).expect("a good file");
        assert_eq!(stanzas.len(), 3);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            stanzas[0].settings,
            [pair("name", "kenny"), pair("auto", "no")]
        );
        assert_eq!(stanzas[1].settings, [pair("dev", "/usr")]);
    }

    #[test]
    fn bad_lines_are_numbered() {
        assert_eq!(parse("general:\nx").map_err(|e| e.line), Err(2));
        assert_eq!(parse("a = \"b\"").map_err(|e| e.line), Err(1));
        assert_eq!(parse("g:\n a = \"b").map_err(|e| e.line), Err(2));
        assert_eq!(parse("g:\n a = \"b\" c").map_err(|e| e.line), Err(2));
    }

    prop_compose! {
        fn stanzas()(list in proptest::collection::vec(
            ("[a-z_]{1,9}", proptest::collection::vec(("[a-z_A-Z]{1,9}", "[^\\p{Cc}]{0,20}"), 0..5)), 0..5)
        ) -> Vec<Stanza> {
            list.into_iter().map(|(name, settings)| Stanza { name, settings }).collect()
        }
    }

    proptest! {
        #[test]
        fn stanzas_round_trip(stanzas in stanzas()) {
            prop_assert_eq!(parse(&format(&stanzas)), Ok(stanzas));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            if let Ok(stanzas) = parse(&text) {
                prop_assert_eq!(parse(&format(&stanzas)).map(|s| s.len()), Ok(stanzas.len()));
            }
        }
    }
}
