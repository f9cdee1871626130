//! Users, from `/etc/passwd` of the environment that the process is in.

use std::path::Path;

/// A line of the password file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// All users; none when there is no file.
pub fn all(root: &Path) -> Vec<User> {
    let text = std::fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

/// The user with a name. Root exists without a password file too.
pub fn by_name(root: &Path, name: &str) -> Option<User> {
    let fallback = || (name == "root").then(root_user);
    all(root)
        .into_iter()
        .find(|user| user.name == name)
        .or_else(fallback)
}

fn root_user() -> User {
    User {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
        home: "/".to_owned(),
        shell: String::new(),
    }
}

fn parse(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1)?.to_owned();
    let shell = fields.next().unwrap_or_default().to_owned();
    Some(User {
        name,
        uid,
        gid,
        home,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_lines() {
        let user = parse("daemon:x:1:2:The daemon:/sbin:/bin/false").expect("a user");
        assert_eq!(
            (user.uid, user.gid, user.home.as_str(), user.shell.as_str()),
            (1, 2, "/sbin", "/bin/false")
        );
        assert_eq!(parse("broken:x:y:0::/:"), None);
        assert_eq!(parse(""), None);
    }
}
