//! Examples of the man pages, by page.

/// Examples of one page: what to type, and what that does.
type Examples = &'static [(&'static str, &'static str)];

const ALL: &[(&str, Examples)] = &[
    (
        "assay",
        &[
            ("assay demo", "Shows everything at once."),
            (
                "assay up /srv/git/team/app.git",
                "Builds each push to this repository until Ctrl-C.",
            ),
            (
                "git push -o assay.wait",
                "Shows the log of the build within the push, and its verdict.",
            ),
            (
                "assay logs -f",
                "Follows the newest build of the repository one is in.",
            ),
        ],
    ),
    (
        "assay-demo",
        &[(
            "assay demo --keep",
            "Leaves the daemon up, to look at the pages and the API.",
        )],
    ),
    (
        "assay-up",
        &[
            (
                "assay up ~/src/app",
                "Builds each push to the repository of this work tree.",
            ),
            (
                "assay up --listen 127.0.0.1:0 a/one.git a/two.git",
                "Two repositories, and any free port.",
            ),
        ],
    ),
    (
        "assay-serve",
        &[(
            "assay serve --config ./assay.yml",
            "Runs the daemon with another configuration.",
        )],
    ),
    (
        "assay-run",
        &[
            ("assay run", "Runs all jobs for the work tree one is in."),
            (
                "assay run --job 2 --env DEBUG=1",
                "Runs the second job only, with one more variable.",
            ),
        ],
    ),
    (
        "assay-lint",
        &[
            ("assay lint", "Checks the file of the work tree one is in."),
            (
                "git show HEAD:.travis.yml | assay lint -",
                "Checks the file as it was committed.",
            ),
        ],
    ),
    (
        "assay-expand",
        &[
            ("assay expand", "Lists the jobs of a push to master."),
            (
                r#"assay expand --json --data '{"type": "pull_request", "branch": "main"}'"#,
                "The jobs of a pull request against main, with all their keys.",
            ),
        ],
    ),
    (
        "assay-script",
        &[(
            "assay script --job 2 | less",
            "Reads what the second job would run.",
        )],
    ),
    (
        "assay-condition",
        &[(
            r#"assay condition 'tag =~ ^v' --data '{"type": "push", "tag": "v1.2"}'"#,
            "Prints true.",
        )],
    ),
    (
        "assay-schema",
        &[
            (
                "assay schema > .travis.schema.json",
                "Writes the schema to a file.",
            ),
            (
                "# yaml-language-server: $schema=.travis.schema.json",
                "As the first line of .travis.yml, makes editors with the YAML language server use it.",
            ),
        ],
    ),
    (
        "assay-repo",
        &[(
            "assay repo list",
            "Lists the repositories with their last builds.",
        )],
    ),
    (
        "assay-repo-add",
        &[(
            "assay repo add /srv/git/team/app.git --build",
            "Adds the repository and builds its default branch.",
        )],
    ),
    (
        "assay-repo-list",
        &[(
            "assay repo list --json",
            "The repositories as the API has them.",
        )],
    ),
    (
        "assay-repo-show",
        &[(
            "assay repo show team/app",
            "One repository, with its path for its operator.",
        )],
    ),
    (
        "assay-repo-rm",
        &[(
            "assay repo rm team/app --yes",
            "Forgets the repository, its builds and its logs.",
        )],
    ),
    (
        "assay-hook",
        &[(
            "assay hook check /srv/git/team/app.git",
            "Says whether the hook would work.",
        )],
    ),
    (
        "assay-hook-install",
        &[
            (
                "assay hook install /srv/git/team/app.git",
                "Installs the hook into one repository.",
            ),
            (
                "assay hook install --print > /var/lib/gitolite3/.gitolite/hooks/common/post-receive",
                "Makes it the hook of all repositories of a gitolite; gitolite setup --hooks-only puts it in place.",
            ),
        ],
    ),
    (
        "assay-hook-remove",
        &[(
            "assay hook remove /srv/git/team/app.git",
            "Puts back what was there before.",
        )],
    ),
    (
        "assay-hook-check",
        &[(
            "assay hook check .",
            "Looks at the hook of the repository one is in.",
        )],
    ),
    (
        "assay-builds",
        &[
            (
                "assay builds --branch main -n 5",
                "The five newest builds of a branch.",
            ),
            (
                "assay builds -r team/app | cut -f 1,2",
                "Numbers and states only.",
            ),
        ],
    ),
    (
        "assay-show",
        &[
            ("assay show", "The newest build with its jobs."),
            ("assay show 12.3", "One job with its configuration."),
        ],
    ),
    (
        "assay-logs",
        &[
            (
                "assay logs 12.3 > log.txt",
                "Keeps the log of a job, byte for byte.",
            ),
            (
                "assay logs -f && deploy",
                "Waits for the newest build, and goes on only if it passed.",
            ),
        ],
    ),
    (
        "assay-restart",
        &[("assay restart 12.3", "Runs one job again.")],
    ),
    (
        "assay-debug",
        &[
            (
                "assay debug 12.3",
                "Opens a shell in the environment of this job. There, travis_run_script runs its script.",
            ),
            (
                "assay debug 12.3 --print",
                "Prints the ssh command, to be run in another terminal of this host.",
            ),
            (
                "assay debug 12.3 --key ~/.ssh/id_ed25519.pub",
                "For a key that is on another host, or in an agent.",
            ),
        ],
    ),
    (
        "assay-audit",
        &[("assay audit -n 100", "The last hundred entries.")],
    ),
    (
        "assay-repo-settings",
        &[(
            "assay repo settings team/app --debug on",
            "Lets those who may push to it debug its jobs.",
        )],
    ),
    (
        "assay-cancel",
        &[("assay cancel 12", "Ends all jobs of a build.")],
    ),
    (
        "assay-requests",
        &[(
            "assay requests -n 3",
            "What became of the last three pushes, and why.",
        )],
    ),
    (
        "assay-branches",
        &[("assay branches -r team/app", "The state of each branch.")],
    ),
    (
        "assay-cache",
        &[("assay cache list", "Lists the caches of all branches.")],
    ),
    (
        "assay-cache-list",
        &[(
            "assay cache list --match python-3.12",
            "Those of jobs with this version.",
        )],
    ),
    (
        "assay-cache-rm",
        &[(
            "assay cache rm -r team/app --branch topic",
            "The next job of this branch begins with the default branch's cache.",
        )],
    ),
    (
        "assay-artifacts",
        &[("assay artifacts list 12.1", "What a job left.")],
    ),
    (
        "assay-artifacts-list",
        &[(
            "assay artifacts list 12",
            "The same, for a build with one job.",
        )],
    ),
    (
        "assay-artifacts-get",
        &[
            (
                "assay artifacts get 12.1 report.txt",
                "Prints a file that a job left.",
            ),
            (
                "assay artifacts get 12.1 --output report",
                "Writes all of them below a folder.",
            ),
        ],
    ),
    (
        "assay-token",
        &[("assay token list", "Lists the tokens, with their rights.")],
    ),
    (
        "assay-token-create",
        &[
            (
                "assay token create --user alice --repo team/app:push --expires 90d",
                "A token for one repository.",
            ),
            (
                "ASSAY_TOKEN=$(assay token create --user alice --admin)",
                "A token with every right, kept in a variable and not on the screen.",
            ),
        ],
    ),
    (
        "assay-token-list",
        &[("assay token list --json", "The tokens, for a script.")],
    ),
    (
        "assay-token-revoke",
        &[("assay token revoke 3", "Makes a token useless at once.")],
    ),
    (
        "assay-whoami",
        &[(
            "assay whoami --server https://ci.example.org",
            "Tries a token.",
        )],
    ),
    (
        "assay-config",
        &[(
            "assay config check",
            "Checks /etc/assay/assay.yml before a restart.",
        )],
    ),
    (
        "assay-config-check",
        &[("assay config check ./assay.yml", "Checks another file.")],
    ),
    (
        "assay-config-show",
        &[(
            "assay config show --json",
            "Every key with its value, for a script.",
        )],
    ),
    (
        "assay-doctor",
        &[(
            "assay doctor",
            "Looks at this host, best as the user the daemon will run as.",
        )],
    ),
    (
        "assay-image",
        &[
            (
                "debootstrap --variant=minbase bookworm /tmp/root && assay image import debian-12 /tmp/root",
                "Makes an image of a fresh Debian.",
            ),
            ("assay image list", "Shows the images and their digests."),
        ],
    ),
    (
        "assay-image-list",
        &[("assay image list --json", "The same, for a script.")],
    ),
    (
        "assay-image-import",
        &[
            (
                "assay image import focal ubuntu-base-20.04-base-amd64.tar.gz",
                "Makes the image focal from a root tarball.",
            ),
            (
                "assay image import tools ./oci-layout",
                "Makes the image tools from an OCI layout, such as skopeo copies.",
            ),
        ],
    ),
    (
        "assay-image-rm",
        &[("assay image rm focal", "Removes it, unless a job uses it.")],
    ),
    (
        "assay-image-verify",
        &[(
            "assay image verify",
            "Reads all images and says what has changed.",
        )],
    ),
    (
        "assay-fsck",
        &[(
            "assay fsck --rebuild",
            "Makes the database anew from the journal.",
        )],
    ),
    ("assay-man", &[("assay man logs", "Shows assay-logs(1).")]),
];

/// The examples of a page.
pub(super) fn of(page: &str) -> Examples {
    ALL.iter()
        .find(|(name, _)| *name == page)
        .map_or(&[], |(_, examples)| examples)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    /// Splits as a shell would, as far as these examples need it.
    fn words(command: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in command.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    #[test]
    fn examples_can_be_typed() {
        for (_, examples) in ALL {
            for (command, _) in *examples {
                let command = command
                    .rsplit_once("$(")
                    .map_or(*command, |(_, inner)| inner.trim_end_matches(')'));
                let command = command
                    .rsplit_once("| assay")
                    .map_or(command, |_| "assay lint -");
                let end = ["|", ">", "&&"]
                    .iter()
                    .filter_map(|end| command.find(end))
                    .min();
                let command = command[..end.unwrap_or(command.len())].trim();
                if command.starts_with("assay") {
                    Cli::try_parse_from(words(command))
                        .unwrap_or_else(|error| panic!("{command}: {error}"));
                }
            }
        }
    }
}
