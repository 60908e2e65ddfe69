//! What a command line could be used for: programs of the host, files outside, the shell's own parser.

use assay_sandbox::Outcome;

use crate::world::{Case, Tried, World, expect};

pub(crate) const CASES: &[Case] = &[
    ("shell: programs of the host", host_programs),
    ("shell: files outside, read", outside_read),
    ("shell: files outside, written", outside_written),
    ("shell: patterns and folders outside", outside_found),
    ("shell: hostile command lines", hostile_lines),
    ("shell: what a line changes for the next", state),
];

/// A script of the work tree is no program.
const SCRIPT: &[u8] = b"#!/bin/sh\necho CANARY\n";

fn host_programs(world: &World) -> Tried {
    let tree = || vec![("run.sh", SCRIPT.to_vec())];
    for (line, code) in [
        ("sh -c 'echo CANARY'", 127),
        ("/bin/sh -c 'echo CANARY'", 126),
        ("./run.sh", 126),
        ("out/bin/sh -c 'echo CANARY'", 126),
        ("up/bin/echo CANARY", 126),
        ("env", 127),
        ("PATH=/bin:/usr/bin id", 127),
        ("export PATH=/bin; id", 127),
        ("bash < run.sh", 127),
        ("../../../../../bin/sh", 126),
    ] {
        let done = world.run(&[line], tree())?;
        let right = done.outcome == Outcome::Exited(code) && !done.output.contains("CANARY\n");
        expect(right, &(line, &done))?;
    }
    let done = world.run(
        &["hello && ./hello.wasm && /home/travis/build/o/r/hello.wasm"],
        tree(),
    )?;
    expect(done.output == "hello\nhello\nhello\n", &done)
}

fn outside_read(world: &World) -> Tried {
    let canary = world.canary();
    for line in [
        format!("cat {canary}"),
        format!("cat < {canary}"),
        format!("./cat.wasm < {canary}"),
        format!("cat out{canary}"),
        format!("cat up{canary}"),
        format!("cat ../../../../../..{canary}"),
        format!("cat /home/travis/../..{canary}"),
        format!("cat < /home/travis/build/../../../..{canary}"),
        format!("cp {canary} here && cat here"),
        format!("cp out{canary} here && cat here"),
        format!("cp -r out{canary} here && cat here"),
        format!("mv {canary} here && cat here"),
        format!("cd out && cat {canary}"),
        "cat < /proc/self/environ".to_owned(),
        "cat /home/travis-other/x".to_owned(),
    ] {
        let done = world.run(&[&line], vec![])?;
        let right =
            matches!(done.outcome, Outcome::Exited(1 | 126)) && !done.output.contains("CANARY\n");
        expect(right, &(&line, &done))?;
    }
    let done = world.run(
        &["echo in > f; cat f; cat < /home/travis/build/o/r/f; cat ../r/f; cat < /dev/null"],
        vec![],
    )?;
    expect(done.output == "in\nin\nin\n", &done)
}

fn outside_written(world: &World) -> Tried {
    let folder = world.folder.path().display().to_string();
    for line in [
        format!("echo evil > {folder}/evil"),
        format!("echo evil >> out{folder}/evil"),
        format!("./hello.wasm > up{folder}/evil"),
        format!("./hello.wasm 2> ../../../../../..{folder}/evil"),
        format!("touch {folder}/evil"),
        format!("touch out{folder}/evil"),
        format!("mkdir out{folder}/evil"),
        format!("mkdir -p {folder}/evil/more"),
        format!("cp hello.wasm out{folder}/evil"),
        format!("mv hello.wasm out{folder}/evil"),
        format!("rm -rf out{folder}"),
        format!("rm -rf {folder}"),
        format!("rm -f out{folder}/canary"),
        "rm -r up".to_owned() + "/etc",
    ] {
        let done = world.run(&[&line], vec![])?;
        expect(
            matches!(done.outcome, Outcome::Exited(code) if code != 0),
            &(&line, &done),
        )?;
        expect(!world.folder.path().join("evil").exists(), &line)?;
        expect(world.folder.path().join("canary").exists(), &line)?;
    }
    let done = world.run(&["mkdir -p a/b && touch a/b/c && cp -r a d && mv d/b e && rm -r a && test -f e/c && ! test -e a"], vec![])?;
    expect(done.outcome == Outcome::Exited(0), &done)?;
    // A link is removed, not what it leads to.
    let done = world.run(&["rm out && rm -rf up && ! test -L out"], vec![])?;
    expect(done.outcome == Outcome::Exited(0), &done)
}

fn outside_found(world: &World) -> Tried {
    for line in [
        "echo /etc/*",
        "echo out/etc/*",
        "echo up/etc/*",
        "echo ../../../../../../etc/*",
        "echo /home/travis/../../etc/*",
    ] {
        let done = world.run(&[line], vec![])?;
        expect(done.output.trim_end().ends_with('*'), &(line, &done))?;
    }
    for line in [
        "cd /",
        "cd /etc",
        "cd out",
        "cd up",
        "cd ../../../../../..",
        "cd /home",
        "cd out/etc",
    ] {
        let done = world.run(&[line], vec![])?;
        expect(done.outcome == Outcome::Exited(1), &(line, &done))?;
    }
    let done = world.run(
        &["touch b1 b2 'b*'; echo b* \"b*\" b?; cd /home/travis; echo build/o/r/h*.wasm; cd; pwd"],
        vec![],
    )?;
    expect(
        done.output == "b* b1 b2 b* b* b1 b2\nbuild/o/r/hello.wasm\n/home/travis\n",
        &done,
    )
}

fn hostile_lines(world: &World) -> Tried {
    let most = 60_000;
    let lines = [
        "(".repeat(most),
        "$(".repeat(most / 2),
        "\"$(".repeat(most / 3),
        "{".repeat(most),
        "true && ".repeat(most / 8) + "true",
        "true | ".repeat(most / 7) + "true",
        "{a,b}".repeat(1000),
        "! ".repeat(most / 2),
        "echo ".to_owned() + &"x ".repeat(most / 2 - 10),
        "A=x; ".to_owned() + &"A=$A$A; ".repeat(40),
        "while true; do :; done".to_owned(),
        "f() { f; }; f".to_owned(),
        "sleep 100 &".to_owned(),
        "\u{0}".to_owned(),
    ];
    for line in lines {
        let name: String = line.chars().take(12).collect();
        let mut spec = world.spec(&[&line]);
        spec.limits.wall = std::time::Duration::from_secs(4);
        let done = world.run_spec(spec, vec![])?;
        // Any answer is good that is one, and comes within the limits: the daemon and the next run go on.
        let fine = matches!(
            done.outcome,
            Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::Memory | Outcome::Time
        );
        expect(fine && done.took.as_secs() < 20, &(name, done.outcome))?;
    }
    let twice = "A=x; ".to_owned() + &"A=$A$A; ".repeat(10) + "test -n $A && echo {1,2}{3,4}";
    let done = world.run(&[&twice], vec![])?;
    expect(done.output == "13 14 23 24\n", &done)
}

fn state(world: &World) -> Tried {
    let lines = [
        "export A='x  y'; B=hidden; mkdir d; cd d",
        "echo \"$A\" $A $B; pwd; A=z true; echo $A",
        "(cd ..; A=inner; exit 5); echo $? $A",
        "echo a | (cat; echo b) | cat; false | true; echo $?; ! true; echo $?",
        "exit 9; echo never",
    ];
    let done = world.run(&lines, vec![])?;
    let cwd = "/home/travis/build/o/r/d";
    let output = format!("x  y x y hidden\n{cwd}\nx y\n5 x y\na\nb\n0\n1\n");
    expect(
        done.output == output && done.outcome == Outcome::Exited(9),
        &done,
    )
}
