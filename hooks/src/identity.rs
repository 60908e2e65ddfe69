//! Who somebody is on this host, read from `/etc/passwd` and `/etc/group` by hand: the C library's look-ups would need
//! unsafe code, and can ask a directory server while a push waits.

use std::fs;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) group: u32,
    pub(crate) home: String,
}

/// The local account with this user id.
pub(crate) fn account_of(uid: u32) -> Option<Account> {
    find_account(&fs::read_to_string(PASSWD).ok()?, uid)
}

/// The local user name with this user id.
pub fn user_name(uid: u32) -> Option<String> {
    account_of(uid).map(|account| account.name)
}

/// The local groups that name this user as a member.
pub(crate) fn memberships_of(name: &str) -> Vec<u32> {
    fs::read_to_string(GROUP)
        .map(|text| find_memberships(&text, name))
        .unwrap_or_default()
}

fn find_account(passwd: &str, uid: u32) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, user, group) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let (_gecos, home) = (fields.next()?, fields.next()?);
        let found = user.parse() == Ok(uid) && !name.is_empty();
        found
            .then(|| group.parse().ok())
            .flatten()
            .map(|group| Account {
                name: name.to_owned(),
                group,
                home: home.to_owned(),
            })
    })
}

fn find_memberships(group: &str, name: &str) -> Vec<u32> {
    let member_of = |line: &str| {
        let mut fields = line.split(':');
        let id = fields.nth(2)?.parse().ok()?;
        fields
            .next()?
            .split(',')
            .any(|member| member == name)
            .then_some(id)
    };
    group.lines().filter_map(member_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_groups_are_found() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken:x\n+::::::\ngit:x:33:34:Git:/srv/git:/bin/sh\n";
        let git = Account {
            name: "git".to_owned(),
            group: 34,
            home: "/srv/git".to_owned(),
        };
        assert_eq!(find_account(passwd, 33), Some(git));
        assert_eq!(find_account(passwd, 5), None);
        let group = "root:x:0:\ndev:x:50:ann,git\nops:x:51:gitta\nweb:x:52:git\nbroken:x\n";
        assert_eq!(find_memberships(group, "git"), [50, 52]);
    }
}
