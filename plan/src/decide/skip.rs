//! Words that ask for no build.

/// Longest text in brackets that is looked at.
const MAX_COMMAND: usize = 40;

/// The skip command in a commit message, as it is written: `[skip ci]`, `[ci skip]`, and with other names for "ci".
///
/// Sources: Travis docs "Customizing the Build"; travis-core, `commit_command.rb`.
pub(super) fn skip_command(message: &str) -> Option<&str> {
    let mut rest = message;
    while let Some(start) = rest.find('[') {
        rest = &rest[start..];
        let command = rest
            .find(']')
            .map(|end| &rest[..=end])
            .filter(|command| command.len() <= MAX_COMMAND);
        if let Some(command) = command.filter(|command| is_skip(command)) {
            return Some(command);
        }
        rest = &rest[1..];
    }
    None
}

fn is_skip(command: &str) -> bool {
    let inner = command
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_lowercase()
        .replace(':', " ");
    let words: Vec<&str> = inner.split_whitespace().collect();
    let name = match words.as_slice() {
        ["skip", name @ ..] | [name @ .., "skip"] => name,
        _ => return false,
    };
    matches!(
        name,
        ["ci" | "travis" | "travis-ci" | "travisci"] | ["travis", "ci"]
    )
}

/// Whether a push option asks for no build.
pub(super) fn is_skip_option(option: &str) -> bool {
    matches!(option.trim(), "ci.skip" | "skip-ci" | "ci-skip" | "skip.ci")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_skip_commands_anywhere() {
        let yes = [
            "[skip ci] x",
            "x\n\nbody [ci skip]",
            "[SKIP  Travis CI]",
            "[travis-ci skip]",
            "[ci:skip]",
            "[[skip ci]",
        ];
        let no = [
            "skip ci",
            "[skip]",
            "[ci]",
            "[skip this ci]",
            "[skip ci",
            "[skip circle]",
            "",
        ];
        assert!(yes.iter().all(|message| skip_command(message).is_some()));
        assert!(no.iter().all(|message| skip_command(message).is_none()));
    }
}
