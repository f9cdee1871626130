//! The configuration database in `/etc/wpars`.
//!
//! `NAME.cf` defines a system WPAR; the file's name is the WPAR's. `index` keeps the keys: the next one to be
//! given, and those of the defined WPARs. Every change writes a new file, flushes it and renames it over the
//! old one, so that a reader or a power cut sees either.

use crate::definition::{Definition, Draft};
use crate::lock::Exclusive;
use crate::messages::Message;
use abi::WparKey;
use control::WparName;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The database.
pub struct Database {
    folder: PathBuf,
}

/// Content of `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Index {
    next: u32,
    keys: BTreeMap<WparName, u32>,
}

impl Database {
    /// The database in a folder; it may not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder.
    pub fn prepare(&self) -> Result<(), Message> {
        fs::create_dir_all(&self.folder).map_err(|e| file_error(&self.folder, &e))
    }

    /// Where the definition of a WPAR is.
    pub fn path_of(&self, name: &WparName) -> PathBuf {
        self.folder.join(format!("{name}.cf"))
    }

    /// Whether a system WPAR of this name is defined.
    pub fn contains(&self, name: &WparName) -> bool {
        self.path_of(name).exists()
    }

    /// The definition of a WPAR.
    pub fn read(&self, name: &WparName) -> Result<Definition, Message> {
        let path = self.path_of(name);
        let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Message::NoSuchWpar {
                name: name.to_string(),
            },
            _ => file_error(&path, &e),
        })?;
        let mut draft = Draft::parse(&path.to_string_lossy(), &text)?;
        // The file's name counts: it alone changes when a WPAR is renamed.
        draft.set("name", name.as_str());
        draft.complete()
    }

    /// All definitions, by name. Files that cannot be read are left out and named.
    pub fn read_all(&self) -> Result<(Vec<Definition>, Vec<Message>), Message> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(e) => return Err(file_error(&self.folder, &e)),
        };
        let mut names: Vec<WparName> = entries
            .filter_map(|entry| {
                let file = entry.ok()?.file_name();
                WparName::new(file.to_str()?.strip_suffix(".cf")?).ok()
            })
            .collect();
        names.sort();
        let mut definitions = Vec::new();
        let mut unreadable = Vec::new();
        for name in names {
            match self.read(&name) {
                Ok(definition) => definitions.push(definition),
                // Removed since the folder was read.
                Err(Message::NoSuchWpar { .. }) => {}
                Err(message) => unreadable.push(message),
            }
        }
        Ok((definitions, unreadable))
    }

    /// Stores a definition under its name.
    pub fn write(&self, definition: &Definition) -> Result<(), Message> {
        replace(&self.path_of(&definition.name), &definition.to_text())
    }

    /// Removes a definition and its key.
    pub fn remove(&self, name: &WparName) -> Result<(), Message> {
        let path = self.path_of(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(file_error(&path, &e)),
        }
        self.change_index(|index| {
            index.keys.remove(name);
        })
    }

    /// Gives a WPAR another name; nothing else changes. A power cut leaves the old or the new name.
    pub fn rename(&self, old: &WparName, new: &WparName) -> Result<(), Message> {
        self.change_index(|index| {
            if let Some(key) = index.keys.get(old).copied() {
                index.keys.insert(new.clone(), key);
            }
        })?;
        let (from, to) = (self.path_of(old), self.path_of(new));
        fs::rename(&from, &to).map_err(|e| file_error(&from, &e))?;
        let definition = self.read(new)?;
        self.write(&definition)?;
        self.change_index(|index| {
            index.keys.remove(old);
        })
    }

    /// The key of a defined WPAR; it is given one when it has none.
    pub fn key_of(&self, name: &WparName) -> Result<WparKey, Message> {
        if let Some(key) = self.read_index()?.keys.get(name) {
            return Ok(WparKey(*key));
        }
        let mut given = 0;
        self.change_index(|index| {
            given = index
                .keys
                .get(name)
                .copied()
                .unwrap_or_else(|| index.take());
            index.keys.insert(name.clone(), given);
        })?;
        Ok(WparKey(given))
    }

    /// The key of a defined WPAR, if it has one.
    pub fn known_key(&self, name: &WparName) -> Option<WparKey> {
        self.read_index().ok()?.keys.get(name).copied().map(WparKey)
    }

    /// A key for an application WPAR, which is never stored.
    pub fn new_key(&self) -> Result<WparKey, Message> {
        let mut given = 0;
        self.change_index(|index| given = index.take())?;
        Ok(WparKey(given))
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn read_index(&self) -> Result<Index, Message> {
        let path = self.index_path();
        match fs::read_to_string(&path) {
            Ok(text) => Index::parse(&text).ok_or_else(|| Message::File {
                path: path.display().to_string(),
                reason: "not an index of keys".to_owned(),
            }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Index {
                next: 1,
                keys: BTreeMap::new(),
            }),
            Err(e) => Err(file_error(&path, &e)),
        }
    }

    fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<(), Message> {
        self.prepare()?;
        let _exclusive = Exclusive::take(&self.folder.join(".index.lock"))?;
        let mut index = self.read_index()?;
        let before = index.clone();
        change(&mut index);
        if index == before {
            Ok(())
        } else {
            replace(&self.index_path(), &index.to_text())
        }
    }
}

impl Index {
    fn take(&mut self) -> u32 {
        let key = self.next;
        self.next += 1;
        key
    }

    fn parse(text: &str) -> Option<Self> {
        let mut index = Index {
            next: 0,
            keys: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(' ')? {
                ("next", number) => index.next = number.parse().ok()?,
                (key, name) => {
                    index
                        .keys
                        .insert(WparName::new(name).ok()?, key.parse().ok()?);
                }
            }
        }
        let greatest = index.keys.values().max().copied().unwrap_or(0);
        (index.next > greatest).then_some(index)
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "# Keys of workload partitions; changed by the commands only.\nnext {}\n",
            self.next
        );
        for (name, key) in &self.keys {
            text.push_str(&format!("{key} {name}\n"));
        }
        text
    }
}

/// Writes a whole file so that it is either as before or as wanted.
pub fn replace(path: &Path, text: &str) -> Result<(), Message> {
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // The error that counts is the first one; what is left over is overwritten by the next try.
        let _left = fs::remove_file(&temporary);
        return Err(file_error(path, &error));
    }
    Ok(())
}

/// An error of a file as a message.
pub fn file_error(path: &Path, error: &std::io::Error) -> Message {
    Message::File {
        path: path.display().to_string(),
        reason: reason_of(error),
    }
}

/// The text of an error without its number.
pub fn reason_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::scratch;

    fn name(text: &str) -> WparName {
        WparName::new(text).expect("a good name")
    }

    fn define(database: &Database, text: &str) -> Definition {
        let mut draft = Draft::default();
        draft.set("name", text);
        let definition = draft.complete().expect("a definition");
        database.write(&definition).expect("stored");
        definition
    }

    #[test]
    fn keys_are_never_given_twice() {
        let folder = scratch("keys");
        let database = Database::new(folder.clone());
        let a = database.key_of(&name("a")).expect("a key");
        let b = database.new_key().expect("a key");
        database.remove(&name("a")).expect("removed");
        let c = database.key_of(&name("a")).expect("a key");
        assert!(a < b && b < c);
        assert_eq!(database.key_of(&name("a")), Ok(c));
        fs::remove_dir_all(folder).expect("scratch folder");
    }

    #[test]
    fn a_renamed_wpar_keeps_key_and_directory() {
        let folder = scratch("rename");
        let database = Database::new(folder.clone());
        database.prepare().expect("a folder");
        define(&database, "a");
        let key = database.key_of(&name("a")).expect("a key");
        database.rename(&name("a"), &name("b")).expect("renamed");
        let b = database.read(&name("b")).expect("a definition");
        assert_eq!(
            (b.name.as_str(), b.hostname.as_str(), b.directory.as_str()),
            ("b", "a", "/wpars/a")
        );
        assert_eq!(database.known_key(&name("b")), Some(key));
        assert!(!database.contains(&name("a")) && database.known_key(&name("a")).is_none());
        fs::remove_dir_all(folder).expect("scratch folder");
    }

    #[test]
    fn a_bad_file_does_not_hide_the_others() {
        let folder = scratch("bad");
        let database = Database::new(folder.clone());
        database.prepare().expect("a folder");
        define(&database, "good");
        fs::write(folder.join("bad.cf"), "nonsense").expect("written");
        let (definitions, unreadable) = database.read_all().expect("a list");
        assert_eq!((definitions.len(), unreadable.len()), (1, 1));
        fs::remove_dir_all(folder).expect("scratch folder");
    }

    #[test]
    fn an_index_that_would_give_a_key_twice_is_refused() {
        assert!(Index::parse("next 3\n2 a\n").is_some());
        assert!(Index::parse("next 3\n3 a\n").is_none());
        assert!(Index::parse("").is_none());
        assert!(Index::parse("next x\n").is_none());
    }
}
