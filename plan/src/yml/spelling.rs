//! Misspelt keys that no rule of likeness finds.

/// Words authors wrote, and the keys they meant (told apart by travis-ci/travis-yml, `var/keys.dict`, when likeness alone
/// would leave them unknown).
const MEANT: [(&str, &str); 24] = [
    ("after_deployment", "after_deploy"),
    ("after_successsudo", "after_success"),
    ("after_test", "after_script"),
    ("allow_failures__php", "allow_failures"),
    ("before_archive", "before_cache"),
    ("before_deployment", "before_deploy"),
    ("before_setup", "before_script"),
    ("branchesonly", "branches"),
    ("deploybefore_script", "before_script"),
    ("distro", "dist"),
    ("diydeploy", "deploy"),
    ("jruby_before_script", "before_script"),
    ("known_failures", "allow_failures"),
    ("langlanguage", "language"),
    ("notifications.irc", "notifications"),
    ("qqsudo", "sudo"),
    ("r_apt_packages", "apt_packages"),
    ("r_binary_pacakges", "r_binary_packages"),
    ("r_check_arg", "r_check_args"),
    ("s3_bucket", "bucket"),
    ("src/packages", "packages"),
    ("warning_are_errors", "warnings_are_errors"),
    ("warnings_are_erros", "warnings_are_errors"),
    ("warnings_as_errors", "warnings_are_errors"),
];

/// The key that a known misspelling means.
pub(super) fn correct(name: &str) -> Option<&'static str> {
    MEANT
        .iter()
        .find(|(wrong, _)| *wrong == name)
        .map(|(_, right)| *right)
}
