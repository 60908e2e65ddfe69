//! How a command ends: the documented exit codes, and the error that carries one together with a sentence for the
//! person at the keyboard and a hint what to do next.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use assay_hooks::one_line;

/// Exit codes of every command. They are part of the command line's contract and listed on each man page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; where a verdict was asked for: passed.
    Ok = 0,
    /// The build or job failed, or the file that was looked at has errors.
    BuildFailed = 1,
    /// The command line is wrong, or what it asks for can't be done in the present state.
    Usage = 2,
    /// The repository, build, job, file or page named does not exist.
    NotFound = 3,
    /// No right to do this: no token, an unknown one, or one without the right.
    NotAllowed = 4,
    /// The daemon can't be reached.
    Unreachable = 5,
    /// The daemon's configuration or state folder can't be used.
    BadConfig = 6,
    /// Something else went wrong; a bug, or a host in trouble.
    Internal = 70,
}

impl Exit {
    /// All codes with their meaning, for the man pages.
    pub(crate) const TABLE: [(Exit, &str); 8] = [
        (Exit::Ok, "Done. Where a verdict was asked for: passed."),
        (
            Exit::BuildFailed,
            "The build or job did not pass, or the file that was looked at has errors.",
        ),
        (
            Exit::Usage,
            "Wrong usage, or what was asked for can't be done in the present state.",
        ),
        (
            Exit::NotFound,
            "The repository, build, job, file or page that was named does not exist.",
        ),
        (
            Exit::NotAllowed,
            "Not allowed: no token, an unknown or expired one, or one without the right.",
        ),
        (Exit::Unreachable, "The daemon can't be reached."),
        (
            Exit::BadConfig,
            "The configuration or the state folder of the daemon can't be used.",
        ),
        (
            Exit::Internal,
            "Anything else: trouble with the host, or a bug.",
        ),
    ];

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
    silent: bool,
}

/// What commands return: the exit code of a command that ran, or why it could not.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with this code; `what` completes "assay: …", such as `cannot read assay.yml`.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Failure {
            exit,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
            silent: false,
        }
    }

    /// A wrong command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, what)
    }

    /// Whoever read our output has enough of it: not worth a word, nor an exit code of its own.
    pub(crate) fn reader_left() -> Self {
        Failure {
            silent: true,
            ..Failure::new(Exit::Ok, "nobody reads the output")
        }
    }

    /// Whether nothing is to be said about it.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Adds the error behind it, with its own sources.
    #[must_use]
    pub(crate) fn because(mut self, cause: &dyn Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Libraries that print their source within themselves would make us say things twice.
            if !self.causes.iter().any(|said| said.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a cause as text.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what to do next: a sentence without a full stop.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The code to exit with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// For an input or output error on a named thing; chooses the code by the kind of the error.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
            _ => Exit::Internal,
        };
        Failure::new(exit, what).because(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "assay: ")?;
        harmless(f, &self.what)?;
        for cause in &self.causes {
            f.write_str(": ")?;
            harmless(f, cause)?;
        }
        if let Some(hint) = &self.hint {
            f.write_str("\n  hint: ")?;
            harmless(f, hint)?;
        }
        Ok(())
    }
}

/// Errors quote what they are about, and that can be anybody's text: nothing but line ends reaches the terminal as a command.
fn harmless(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            f.write_str("\n")?;
        }
        f.write_str(&one_line(line))?;
    }
    Ok(())
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_reads_as_a_sentence_with_causes_and_a_hint() {
        let failure = Failure::new(Exit::BadConfig, "cannot open the state folder /x")
            .because(&Outer(std::io::Error::other("disk on fire")))
            .hint("give another folder with --state");
        assert_eq!(
            failure.to_string(),
            "assay: cannot open the state folder /x: outer: disk on fire\n  hint: give another folder with --state"
        );
        assert_eq!(failure.exit(), Exit::BadConfig);
    }

    #[test]
    fn quoted_text_is_no_command_to_the_terminal() {
        let failure = Failure::usage("cannot read \x1b[2Ja")
            .because(&std::io::Error::other("b\x1b]0;c\x07\u{9b}m\u{202e}\nd\r"))
            .hint("e\x08");
        assert_eq!(
            failure.to_string(),
            "assay: cannot read [2Ja: b]0;cm\nd \n  hint: e"
        );
    }

    #[test]
    fn a_cause_is_not_said_twice() {
        let failure = Failure::usage("cannot x")
            .cause("broken: pipe")
            .because(&std::io::Error::other("pipe"));
        assert_eq!(failure.to_string(), "assay: cannot x: broken: pipe");
    }

    #[test]
    fn codes_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 70]);
    }

    #[test]
    fn input_output_errors_choose_their_code() {
        let kind = |kind: std::io::ErrorKind| Failure::io("cannot read x", &kind.into()).exit();
        assert_eq!(kind(std::io::ErrorKind::NotFound), Exit::NotFound);
        assert_eq!(kind(std::io::ErrorKind::PermissionDenied), Exit::NotAllowed);
        assert_eq!(kind(std::io::ErrorKind::BrokenPipe), Exit::Internal);
    }
}
