//! The text of the hook.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::InstallOptions;
use super::place::PREVIOUS;
use crate::client::POST_RECEIVE;

/// The line by which a hook is known to be ours.
const MARKER: &[u8] = b"# Installed by `assay hook install`; taken away by `assay hook remove`.\n";
const FIRST: &[u8] = b"#!/bin/sh\n";

/// The `post-receive` script: the same for every repository, so that it can also be put into a folder of hooks that
/// many share (gitolite's `hooks/common`). A push goes through even when the binary is gone.
pub fn hook_script(options: &InstallOptions) -> Vec<u8> {
    let program = quote(options.program.as_os_str());
    let socket = quote(options.socket.as_os_str());
    let parts: [&[u8]; 16] = [
        FIRST,
        MARKER,
        b"program=",
        &program,
        b"\nprevious=${0%/*}/",
        PREVIOUS.as_bytes(),
        b"\nif [ -f \"$program\" ] && [ -x \"$program\" ]; then\n\texec \"$program\" ",
        POST_RECEIVE.as_bytes(),
        b" ",
        &socket,
        b" \"$previous\" \"$@\"\nfi\n",
        b"printf 'assay: no build now: %s cannot be run; the push will be found by its ref\\n' \"$program\"\n",
        b"if [ -f \"$previous\" ] && [ -x \"$previous\" ]; then\n",
        b"\texec \"$previous\" \"$@\"\n",
        b"fi\n",
        b"exit 0\n",
    ];
    parts.concat()
}

/// Whether a file's text is a hook of ours, of this or an earlier installation.
pub(super) fn is_ours(text: &[u8]) -> bool {
    text.strip_prefix(FIRST)
        .is_some_and(|rest| rest.starts_with(MARKER))
}

/// The shell's single quotes hold any byte but a single quote.
fn quote(path: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in path.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_quoted() {
        assert_eq!(
            quote(OsStr::new("/a b/it's\"$(x)\\\n")),
            b"'/a b/it'\\''s\"$(x)\\\n'"
        );
    }

    #[test]
    fn ours_is_known() {
        let options = InstallOptions {
            program: "/usr/bin/assay".into(),
            socket: "/run/hook.sock".into(),
        };
        assert!(is_ours(&hook_script(&options)));
        assert!(!is_ours(b"#!/bin/sh\n# runs `assay hook install`\n"));
    }
}
