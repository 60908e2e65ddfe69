//! Hosts that lack something a sandbox is made of: a clear refusal, or a weaker limit that is said; never a weaker wall.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{ASSAY, Repo, skip};

/// Makes a process of what follows that can have no user namespace.
const NO_NAMESPACES: &[&str] = &[
    "unshare",
    "--user",
    "--map-user=1000",
    "--map-group=1000",
    "--keep-caps",
    "sh",
    "-c",
    "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"",
    "sh",
];

/// As AppArmor on some distributions: a user namespace can be made, but its rights are worth nothing.
#[cfg(target_arch = "x86_64")]
const NO_RIGHTS: &[&str] = &[
    "perl",
    "-e",
    "my $f = pack 'SCCL' x 4, 32,0,0,0, 21,0,1,170, 6,0,0,0x50001, 6,0,0,0x7fff0000; my $p = pack 'SxxxxxxP', 4, $f; \
     syscall(157, 38, 1, 0, 0, 0) == 0 or die; syscall(157, 22, 2, $p, 0, 0) == 0 or die; exec @ARGV",
];

/// No control group to be seen.
const NO_GROUPS: &[&str] = &[
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"",
    "sh",
];

fn under(wrapper: &[&str], dir: &Path, clone: &Path, args: &[&str]) -> Output {
    let (program, before) = wrapper.split_first().expect("a program");
    Command::new(program)
        .args(before)
        .arg(ASSAY)
        .args(args)
        .current_dir(clone)
        .env("HOME", dir)
        .env("ASSAY_STATE", dir.join("state"))
        .output()
        .expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Whether this host lets the test take something away.
fn works(wrapper: &[&str]) -> bool {
    let (program, before) = wrapper.split_first().expect("a program");
    let tried = Command::new(program).args(before).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

/// A job that says when it runs, and what two commands say where something is missing.
fn case(name: &str, wrapper: &[&str], check: impl FnOnce(&Output, &str, &str)) {
    if !works(wrapper) {
        skip(&format!("hosts: {name}: this user can't take it away here"));
        return;
    }
    let dir = tempfile::tempdir().expect("a folder for the test");
    let yml =
        "language: shell\nscript: echo it runs with $(sed -n 's/CapBnd:.//p' /proc/self/status)\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", yml)]);
    let run = under(wrapper, dir.path(), &repo.clone, &["run"]);
    let doctor = under(wrapper, dir.path(), &repo.clone, &["doctor"]);
    check(&run, &text(&run), &text(&doctor));
}

fn is_refused(run: &Output, said: &str, doctor: &str) {
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(!said.contains("it runs"), "{said}");
    assert!(
        said.contains("The sandbox could not be set up") && said.contains("isolation of"),
        "{said}"
    );
    assert!(
        doctor.contains("user namespaces") && doctor.contains("can't be created"),
        "{doctor}"
    );
    assert!(doctor.contains("missing\ta job\tisolation of"), "{doctor}");
}

#[test]
fn without_user_namespaces_nothing_runs() {
    case("user namespaces", NO_NAMESPACES, |run, said, doctor| {
        is_refused(run, said, doctor);
        assert!(doctor.contains("user.max_user_namespaces"), "{doctor}");
    });
}

#[test]
#[cfg(target_arch = "x86_64")]
fn without_rights_in_user_namespaces_nothing_runs() {
    case("rights in namespaces", NO_RIGHTS, is_refused);
}

#[test]
fn without_control_groups_the_log_says_what_is_weaker() {
    case("control groups", NO_GROUPS, |run, said, doctor| {
        assert_eq!(run.status.code(), Some(0), "{said}");
        for part in [
            "memory is limited for each process",
            "processes are limited by an rlimit",
            "it runs with 0000000000000000",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(doctor.contains("weak\tcgroup memory\t"), "{doctor}");
        assert!(doctor.contains("good\ta job\tran in a sandbox"), "{doctor}");
    });
}
