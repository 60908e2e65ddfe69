//! What the names in `addons.apt.sources` mean: names that Travis gave to package archives, resolved by rules rather than by a
//! list of every version. Names and addresses: travis-ci/apt-source-safelist and the archives' own instructions.

use super::prepare::texts;
use crate::value::Value;

/// Where packages come from.
#[derive(Debug, PartialEq)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// Address of the key that signs what is there.
    pub(super) key: Option<String>,
}

/// What a name or a line of the configuration stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    /// A line of `sources.list`.
    Line(String),
    /// A personal archive of Launchpad, as `OWNER/NAME`.
    Ppa(String),
    /// Nothing that is known here.
    Unknown(String),
}

/// Personal archives that have a name of their own.
const PPAS: [(&str, &str); 26] = [
    ("augeas", "raphink/augeas"),
    ("avsm", "avsm/ppa"),
    ("boost-latest", "boost-latest/ppa"),
    ("cassou-emacs", "cassou/emacs"),
    ("chris-lea-redis-server", "chris-lea/redis-server"),
    ("couchdb", "couchdb/stable"),
    ("deadsnakes", "deadsnakes/ppa"),
    ("gammu", "nijel/ppa"),
    ("gearman-developers", "gearman-developers/ppa"),
    (
        "george-edison55-precise-backports",
        "george-edison55/precise-backports",
    ),
    ("git-core", "git-core/ppa"),
    ("hvr-ghc", "hvr/ghc"),
    ("kalakris-cmake", "kalakris/cmake"),
    ("kubuntu-backports", "kubuntu-ppa/backports"),
    ("nginx-mainline", "nginx/mainline"),
    ("nginx-stable", "nginx/stable"),
    ("openjdk-r-java", "openjdk-r/ppa"),
    ("pgavin-ghdl", "pgavin/ghdl"),
    ("pollinate", "pollinate/ppa"),
    ("pov-wkhtmltopdf", "pov/wkhtmltopdf"),
    ("pypy", "pypy/ppa"),
    ("pythonxy-devel", "pythonxy/pythonxy-devel"),
    ("trusty-media", "mc3man/trusty-media"),
    ("ubuntu-sdk-team", "ubuntu-sdk-team/ppa"),
    ("ubuntu-toolchain-r-test", "ubuntu-toolchain-r/test"),
    ("webupd8team-java", "webupd8team/java"),
];

/// Archives whose names follow a rule: the name with its parts in braces, the line, the key. `{dist}` is a distribution's code
/// name, `{version}` a number.
const RULES: [(&str, &str, &str); 16] = [
    (
        "llvm-toolchain-{dist}",
        "deb https://apt.llvm.org/{dist}/ llvm-toolchain-{dist} main",
        "https://apt.llvm.org/llvm-snapshot.gpg.key",
    ),
    (
        "llvm-toolchain-{dist}-{version}",
        "deb https://apt.llvm.org/{dist}/ llvm-toolchain-{dist}-{version} main",
        "https://apt.llvm.org/llvm-snapshot.gpg.key",
    ),
    (
        "google-chrome",
        "deb [arch=amd64] https://dl.google.com/linux/chrome/deb/ stable main",
        "https://dl.google.com/linux/linux_signing_key.pub",
    ),
    (
        "google-cloud-{dist}",
        "deb https://packages.cloud.google.com/apt cloud-sdk-{dist} main",
        "https://packages.cloud.google.com/apt/doc/apt-key.gpg",
    ),
    (
        "docker-{dist}",
        "deb [arch=amd64] https://download.docker.com/linux/ubuntu {dist} stable",
        "https://download.docker.com/linux/ubuntu/gpg",
    ),
    (
        "mongodb-{version}-{dist}",
        "deb [arch=amd64] https://repo.mongodb.org/apt/ubuntu {dist}/mongodb-org/{version} multiverse",
        "https://www.mongodb.org/static/pgp/server-{version}.asc",
    ),
    (
        "mysql-{version}-{dist}",
        "deb https://repo.mysql.com/apt/ubuntu/ {dist} mysql-{version}",
        "https://repo.mysql.com/RPM-GPG-KEY-mysql",
    ),
    (
        "pgdg-{dist}",
        "deb https://apt.postgresql.org/pub/repos/apt/ {dist}-pgdg main",
        "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
    ),
    (
        "pgdg-{version}-{dist}",
        "deb https://apt.postgresql.org/pub/repos/apt/ {dist}-pgdg main {version}",
        "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
    ),
    (
        "{dist}-pgdg-{version}",
        "deb https://apt.postgresql.org/pub/repos/apt/ {dist}-pgdg main {version}",
        "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
    ),
    (
        "elasticsearch-5.x",
        "deb https://artifacts.elastic.co/packages/5.x/apt stable main",
        "https://artifacts.elastic.co/GPG-KEY-elasticsearch",
    ),
    (
        "github-git-lfs-{dist}",
        "deb https://packagecloud.io/github/git-lfs/ubuntu {dist} main",
        "https://packagecloud.io/github/git-lfs/gpgkey",
    ),
    (
        "rabbitmq-{dist}",
        "deb https://packagecloud.io/rabbitmq/rabbitmq-server/ubuntu {dist} main",
        "https://packagecloud.io/rabbitmq/rabbitmq-server/gpgkey",
    ),
    (
        "r-packages-{dist}",
        "deb https://cloud.r-project.org/bin/linux/ubuntu {dist}/",
        "https://cloud.r-project.org/bin/linux/ubuntu/marutter_pubkey.asc",
    ),
    (
        "chef-stable-{dist}",
        "deb https://packages.chef.io/repos/apt/stable {dist} main",
        "https://packages.chef.io/chef.asc",
    ),
    (
        "chef-current-{dist}",
        "deb https://packages.chef.io/repos/apt/current {dist} main",
        "https://packages.chef.io/chef.asc",
    ),
];

/// Reads an item of the list: a map, a line of `sources.list`, or a name.
pub(super) fn source(value: &Value) -> Option<Source> {
    let text = |key: &str| value.as_map().and_then(|map| map.text(key));
    let written = match text("sourceline").or_else(|| text("name")) {
        Some(written) => written.to_owned(),
        None => texts(Some(value)).into_iter().next()?,
    };
    let (origin, usual) = meaning(&written);
    let key = match origin {
        Origin::Unknown(_) => None,
        _ => text("key_url").map(str::to_owned).or(usual),
    };
    Some(Source { origin, key })
}

/// What this stands for, and the key that is known for it.
fn meaning(written: &str) -> (Origin, Option<String>) {
    if written.starts_with("deb ") || written.starts_with("deb-src ") {
        return (Origin::Line(written.to_owned()), None);
    }
    if let Some(archive) = written.strip_prefix("ppa:") {
        let ppa = personal(archive).map(Origin::Ppa);
        return (ppa.unwrap_or_else(|| unknown(written)), None);
    }
    if let Some((_, archive)) = PPAS.iter().find(|(name, _)| *name == written) {
        return (Origin::Ppa((*archive).to_owned()), None);
    }
    let known = RULES.iter().find_map(|(name, line, key)| {
        let parts = Parts::of(name, written)?;
        Some((Origin::Line(parts.fill(line)), Some(parts.fill(key))))
    });
    known.unwrap_or_else(|| (unknown(written), None))
}

fn unknown(written: &str) -> Origin {
    Origin::Unknown(written.to_owned())
}

/// `OWNER`, `OWNER/NAME` or `OWNER/ubuntu/NAME` as `OWNER/NAME`, if Launchpad could have such names.
fn personal(archive: &str) -> Option<String> {
    let (owner, name) = match archive.split('/').collect::<Vec<_>>()[..] {
        [owner] => (owner, "ppa"),
        [owner, name] | [owner, "ubuntu", name] => (owner, name),
        _ => return None,
    };
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
    };
    (is_name(owner) && is_name(name)).then(|| format!("{owner}/{name}"))
}

/// What the braces of a rule stand for.
#[derive(Debug, Default)]
struct Parts<'a> {
    dist: &'a str,
    version: &'a str,
}

impl<'a> Parts<'a> {
    /// Of this name, if it follows the rule.
    fn of(rule: &str, name: &'a str) -> Option<Self> {
        let (pieces, words) = (rule.split('-'), name.split('-'));
        if pieces.clone().count() != words.clone().count() {
            return None;
        }
        let mut parts = Parts::default();
        for (piece, word) in pieces.zip(words) {
            match piece {
                "{dist}" if is_dist(word) => parts.dist = word,
                "{version}" if is_version(word) => parts.version = word,
                piece if piece == word => {}
                _ => return None,
            }
        }
        Some(parts)
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{dist}", self.dist)
            .replace("{version}", self.version)
    }
}

fn is_dist(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_version(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str, key: &str) -> (Origin, Option<String>) {
        (Origin::Line(line.to_owned()), Some(key.to_owned()))
    }

    fn ppa(archive: &str) -> (Origin, Option<String>) {
        (Origin::Ppa(archive.to_owned()), None)
    }

    #[test]
    fn names_follow_rules() {
        let llvm = "https://apt.llvm.org/llvm-snapshot.gpg.key";
        let postgresql = "https://www.postgresql.org/media/keys/ACCC4CF8.asc";
        for (name, meant) in [
            ("ubuntu-toolchain-r-test", ppa("ubuntu-toolchain-r/test")),
            ("deadsnakes", ppa("deadsnakes/ppa")),
            ("ppa:deadsnakes/ppa", ppa("deadsnakes/ppa")),
            ("ppa:avsm", ppa("avsm/ppa")),
            ("ppa:a/ubuntu/b", ppa("a/b")),
            (
                "llvm-toolchain-xenial",
                line(
                    "deb https://apt.llvm.org/xenial/ llvm-toolchain-xenial main",
                    llvm,
                ),
            ),
            (
                "llvm-toolchain-precise-3.8",
                line(
                    "deb https://apt.llvm.org/precise/ llvm-toolchain-precise-3.8 main",
                    llvm,
                ),
            ),
            (
                "pgdg-9.5-precise",
                line(
                    "deb https://apt.postgresql.org/pub/repos/apt/ precise-pgdg main 9.5",
                    postgresql,
                ),
            ),
            (
                "precise-pgdg-9.5",
                line(
                    "deb https://apt.postgresql.org/pub/repos/apt/ precise-pgdg main 9.5",
                    postgresql,
                ),
            ),
            (
                "mongodb-4.0-xenial",
                line(
                    "deb [arch=amd64] https://repo.mongodb.org/apt/ubuntu xenial/mongodb-org/4.0 multiverse",
                    "https://www.mongodb.org/static/pgp/server-4.0.asc",
                ),
            ),
        ] {
            assert_eq!(meaning(name), meant, "{name}");
        }
    }

    #[test]
    fn what_is_no_name_stays_unknown() {
        for text in [
            "",
            "phpunit-6.1",
            "llvm-toolchain",
            "llvm-toolchain-",
            "llvm-toolchain-xenial-",
            "llvm-toolchain-xenial-7-x",
            "llvm-toolchain-xenial-$(id)",
            "llvm-toolchain-../x-7",
            "docker-Xenial",
            "ppa:",
            "ppa:a/b/c",
            "ppa:a/$(id)",
            "ppa:-a/b",
            "ppa:a/ubuntu/",
        ] {
            assert_eq!(meaning(text), (unknown(text), None), "{text}");
        }
    }

    #[test]
    fn rules_and_archives_stand_once() {
        let names = PPAS.iter().map(|(name, _)| *name);
        let rules = RULES.iter().map(|(name, _, _)| *name);
        let all: std::collections::HashSet<&str> = names.chain(rules).collect();
        assert_eq!(all.len(), PPAS.len() + RULES.len());
        for (_, archive) in PPAS {
            assert_eq!(personal(archive).as_deref(), Some(archive));
        }
    }
}
