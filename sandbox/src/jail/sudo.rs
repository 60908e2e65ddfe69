//! What `sudo` is inside: in the strict profile a program that says why it can't work; in the root profile the image's
//! own, or, where it has none, one that runs the command, since the job is root of its namespace already.

use super::Step;
use crate::spec::{Image, Profile, RunSpec};

/// Where our programs are; a caller that wants them found puts it at the end of the job's `PATH`.
const PROGRAM: &str = "/run/assay/bin/sudo";
/// Where distributions have it.
const USUAL: &str = "/usr/bin/sudo";

/// Words for authors, and for the operator that they will ask.
const REFUSES: &str = r#"#!/bin/sh
echo 'sudo: there is no root in this sandbox (profile strict).' >&2
echo 'sudo: whoever runs this server can allow it for this repository or image: profile: root in assay.yml(5).' >&2
exit 1
"#;

/// The options that have an argument are read over; another user than root is what setpriv(1) is for.
const RUNS: &str = r#"#!/bin/sh
user=root
login=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -u|--user) user=${2-}; shift 2 ;;
    -u?*) user=${1#-u}; shift ;;
    --user=*) user=${1#--user=}; shift ;;
    -g|-p|-C|-r|-t|-T|-h|-D|-R) shift; [ $# -eq 0 ] || shift ;;
    -i|-s|--login|--shell) login=1; shift ;;
    -l|--list|-v|--validate|-k|-K) exit 0 ;;
    -*) shift ;;
    [A-Za-z_]*=*) export "$1"; shift ;;
    *) break ;;
  esac
done
if [ $# -eq 0 ]; then
  [ -n "$login" ] || { echo 'usage: sudo [options] command [arguments]' >&2; exit 1; }
  set -- "${SHELL:-/bin/sh}"
fi
[ "$user" = root ] || [ "$user" = '#0' ] || exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
exec "$@"
"#;

/// The steps that put it there.
pub(super) fn steps(spec: &RunSpec) -> Vec<Step> {
    let program = |text: &str| Step::Program(PROGRAM.to_owned(), text.to_owned());
    match (spec.profile, &spec.image) {
        (Profile::Strict, _) => vec![
            program(REFUSES),
            Step::Cover {
                path: USUAL.to_owned(),
                with: PROGRAM.to_owned(),
            },
        ],
        (Profile::Root, Image::Imported(image)) if image.sudo => Vec::new(),
        (Profile::Root, _) => vec![program(RUNS)],
    }
}
