//! What a system WPAR is defined to be: the content of a specification file and of `/etc/wpars/NAME.cf`.

use crate::messages::Message;
use crate::stanza::{self, Stanza};
use control::{BindMount, ResourceControls, WparName};

/// Definition of a WPAR. Stanzas that this release does not use are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Name.
    pub name: WparName,
    /// Host name.
    pub hostname: String,
    /// Base directory in Global.
    pub directory: String,
    /// Whether it is started at boot.
    pub auto: bool,
    /// Whether `/usr` and `/opt` are its own copies.
    pub private_usr: bool,
    /// Program that is run in Global after start and before stop.
    pub script: Option<String>,
    /// Resource controls.
    pub controls: ResourceControls,
    /// Everything else, in its order.
    pub other: Vec<Stanza>,
}

/// A definition in which not everything is said yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Settings of `general:`.
    pub general: Vec<(String, String)>,
    /// Settings of `resources:`.
    pub resources: Vec<(String, String)>,
    /// All other stanzas.
    pub other: Vec<Stanza>,
}

const GENERAL_KEYS: [&str; 13] = [
    "name",
    "checkpointable",
    "hostname",
    "privateusr",
    "directory",
    "auto",
    "routing",
    "script",
    "vg",
    "owner",
    "type",
    "application",
    "preserve",
];

impl Draft {
    /// Reads a file's text; `path` is for messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Message> {
        let stanzas = stanza::parse(text).map_err(|e| Message::BadStanza {
            path: path.to_owned(),
            line: e.line.to_string(),
            reason: e.reason.to_owned(),
        })?;
        let mut draft = Draft::default();
        for stanza in stanzas {
            match stanza.name.as_str() {
                "general" => draft.general.extend(stanza.settings),
                "resources" => draft.resources.extend(stanza.settings),
                _ => draft.other.push(stanza),
            }
        }
        Ok(draft)
    }

    /// Sets a value of `general:`; the last one counts.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.general.push((key.to_owned(), value.into()));
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.general
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Checks everything and fills in defaults.
    pub fn complete(self) -> Result<Definition, Message> {
        for (key, value) in &self.general {
            if !GENERAL_KEYS.contains(&key.as_str()) {
                return Err(bad(&format!("general.{key}"), value));
            }
        }
        let name = checked_name(self.get("name").unwrap_or_default())?;
        let hostname = self.get("hostname").unwrap_or(name.as_str()).to_owned();
        check_hostname(&hostname)?;
        let directory = self
            .get("directory")
            .map_or_else(|| format!("/wpars/{name}"), str::to_owned);
        check_directory(&directory)?;
        for key in ["checkpointable", "routing"] {
            if self.yes(key)? {
                return Err(Message::NotSupported {
                    what: format!("general.{key} = yes"),
                });
            }
        }
        let mut controls = ResourceControls::default();
        set_controls(&mut controls, &self.resources)?;
        Ok(Definition {
            hostname,
            directory,
            auto: self.yes("auto")?,
            private_usr: self.yes("privateusr")?,
            script: self
                .get("script")
                .filter(|s| !s.is_empty())
                .map(str::to_owned),
            controls,
            name,
            other: self.other,
        })
    }

    fn yes(&self, key: &str) -> Result<bool, Message> {
        match self.get(key) {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(value) => Err(bad(&format!("general.{key}"), value)),
        }
    }
}

impl Definition {
    /// As a draft, to be changed or copied.
    pub fn to_draft(&self) -> Draft {
        let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
        let mut draft = Draft {
            other: self.other.clone(),
            ..Draft::default()
        };
        draft.set("name", self.name.as_str());
        draft.set("checkpointable", "no");
        draft.set("hostname", &*self.hostname);
        draft.set("privateusr", yes(self.private_usr));
        draft.set("directory", &*self.directory);
        draft.set("auto", yes(self.auto));
        draft.set("routing", "no");
        if let Some(script) = &self.script {
            draft.set("script", &**script);
        }
        let attributes = self.controls.attributes().into_iter();
        draft.resources = attributes
            .map(|(key, value)| (key.to_owned(), value.to_string()))
            .collect();
        draft
    }

    /// As the text of a file.
    pub fn to_text(&self) -> String {
        let draft = self.to_draft();
        let mut stanzas = vec![
            Stanza {
                name: "general".to_owned(),
                settings: draft.general,
            },
            Stanza {
                name: "resources".to_owned(),
                settings: draft.resources,
            },
        ];
        stanzas.extend(draft.other);
        stanza::format(&stanzas)
    }

    /// Global's file systems that are seen inside.
    pub fn mounts(&self) -> Vec<BindMount> {
        if self.private_usr {
            return Vec::new();
        }
        let shared = |path: &str| BindMount {
            source: path.to_owned(),
            target: path.to_owned(),
            read_only: true,
        };
        vec![shared("/opt"), shared("/usr")]
    }
}

/// Sets resource attributes in their order and checks them together.
pub fn set_controls(
    controls: &mut ResourceControls,
    attributes: &[(String, String)],
) -> Result<(), Message> {
    let refused = |error: control::ResourceError| Message::Resource {
        reason: error.to_string(),
    };
    for (attribute, value) in attributes {
        controls.set(attribute, value).map_err(refused)?;
    }
    controls.validate().map_err(refused)
}

/// A name, or the message why it is none.
pub fn checked_name(text: &str) -> Result<WparName, Message> {
    WparName::new(text).map_err(|reason| Message::BadName {
        name: text.to_owned(),
        reason: reason.to_string(),
    })
}

/// A host name has letters, digits, dashes and dots.
pub fn check_hostname(hostname: &str) -> Result<(), Message> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let fits = (1..=64).contains(&hostname.len())
        && hostname.chars().all(good)
        && !hostname.starts_with(['-', '.']);
    if fits {
        Ok(())
    } else {
        Err(Message::BadHostname {
            hostname: hostname.to_owned(),
        })
    }
}

fn check_directory(path: &str) -> Result<(), Message> {
    let parts = path
        .strip_prefix('/')
        .map(|rest| rest.split('/').collect::<Vec<_>>())
        .unwrap_or_default();
    let good = |part: &&str| {
        !part.is_empty() && *part != "." && *part != ".." && !part.contains(char::is_control)
    };
    // What Global itself consists of is never a WPAR's to populate and remove.
    let own = ["usr", "opt", "proc", "dev", "etc", "bin", "sbin", "lib"];
    let fits = !parts.is_empty()
        && parts.iter().all(good)
        && parts.first().is_some_and(|top| !own.contains(top));
    let fits = fits
        && !(parts.len() == 1
            && ["home", "tmp", "var", "wpars", "admin", "root"].contains(&parts[0]));
    if fits {
        Ok(())
    } else {
        Err(Message::BadDirectory {
            path: path.to_owned(),
        })
    }
}

fn bad(attribute: &str, value: &str) -> Message {
    Message::BadAttribute {
        attribute: attribute.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Result<Definition, Message> {
        Draft::parse("x.cf", text)?.complete()
    }

    #[test]
    fn defaults_come_from_the_name() {
        let definition = draft("general:\n name = \"alpha\"\n").expect("a definition");
        assert_eq!(definition.hostname, "alpha");
        assert_eq!(definition.directory, "/wpars/alpha");
        assert_eq!(definition.mounts().len(), 2);
        assert!(!definition.auto);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "general:\n name = \"a\"\n hostname = \"h\"\n auto = \"yes\"\n script = \"/x y\"\n\
                    resources:\n shares_CPU = \"7\"\n CPU = \"0.50%-12.25%,33.33%\"\nnetwork:\n address = \"1.2.3.4\"\n";
        let definition = draft(text).expect("a definition");
        assert_eq!(definition.other.len(), 1);
        assert_eq!(draft(&definition.to_text()), Ok(definition));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            draft("general:\n name = \"Global\"\n").map_err(|m| m.number()),
            Err(501)
        );
        assert_eq!(
            draft("general:\n name = \"a\"\n colour = \"red\"\n").map_err(|m| m.number()),
            Err(521)
        );
        assert_eq!(
            draft("general:\n name = \"a\"\n auto = \"maybe\"\n").map_err(|m| m.number()),
            Err(521)
        );
        assert_eq!(
            draft("general:\n name = \"a\"\nresources:\n CPU = \"9\"\n").map_err(|m| m.number()),
            Err(503)
        );
        assert_eq!(
            draft("general:\n name = \"a\"\n hostname = \"a b\"\n").map_err(|m| m.number()),
            Err(502)
        );
    }

    #[test]
    fn no_base_directory_can_be_part_of_global() {
        for path in [
            "",
            "/",
            "a",
            "/usr/x",
            "/wpars",
            "/wpars/../etc",
            "/etc",
            "/tmp",
            "/wpars//x",
            "/wpars/x/",
        ] {
            assert!(check_directory(path).is_err(), "{path}");
        }
        assert!(check_directory("/wpars/x").is_ok() && check_directory("/home/w/x").is_ok());
    }
}
