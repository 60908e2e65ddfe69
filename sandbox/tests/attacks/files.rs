//! Section A: files, mounts, leftovers.

use assay_sandbox::{Bind, Image, Outcome, Profile, RunError};

use crate::world::{
    Case, Flavour, Needs, Tried, World, call, case, expect, flavour, needing, spec,
};

pub(crate) const CASES: &[Case] = &[
    case("A1 host file", host_file),
    case("A2 old root through pid 1", old_root),
    case("A3 leaked descriptors", descriptors),
    case("A4 launcher through /proc/1/exe", launcher_file),
    case("A5 core pattern", core_pattern),
    case("A6 kernel settings", kernel_settings),
    case("A7 mount", mount),
    case("A8 unmount", unmount),
    needing(Needs::Perl, "A9 new mount calls", new_mount_calls),
    case("A10 cgroup file system", cgroup_files),
    case("A11 block device", block_device),
    case("A12 devices", devices),
    case("A13 set-uid program", set_uid),
    case("A15 base image", base_image),
    case("A16 leftovers", leftovers),
    case("A18 mask swapped for a link", swapped_mask),
    case("A20 tree through a link", tree_through_link),
    case("binds are read-only and reach private folders", binds),
    case("etc holds nothing private", etc),
];

fn host_file(world: &World) -> Tried {
    let done = world.job(&format!("cat {}", world.canary()))?;
    expect(
        done.outcome == Outcome::Exited(1) && !done.output.contains("CANARY"),
        &done,
    )?;
    // Twin: shown on purpose, it can be read.
    let mut with = spec(&format!("cat {}", world.canary()));
    with.profile = Profile::Strict;
    with.image = Image::Host {
        folders: vec![world.folder.path().to_owned()],
    };
    open_up(world)?;
    let done = world.run(with)?;
    expect(done.output == "CANARY\n", &done)
}

fn open_up(world: &World) -> Tried {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(world.folder.path(), PermissionsExt::from_mode(0o755))
        .map_err(|e| e.to_string())
}

fn old_root(world: &World) -> Tried {
    let script = format!(
        "cat /proc/1/root{}; ls -1 /proc/1/cwd/../../..; ls -1 /proc/self/cwd/../../../../../..; ls -1 /",
        world.canary()
    );
    let done = world.job(&script)?;
    let listings =
        done.output.matches("\nbin\n").count() + usize::from(done.output.starts_with("bin\n"));
    expect(
        !done.output.contains("CANARY") && !done.output.contains("boot") && listings >= 2,
        &done,
    )
}

fn descriptors(world: &World) -> Tried {
    // Something that must not be inherited.
    let leak = std::fs::File::open("/etc/passwd").map_err(|e| e.to_string())?;
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).map_err(|e| e.to_string())?;
    let done = world.job("for f in /proc/self/fd/*; do readlink \"$f\"; done; /bin/pwd; tty")?;
    let lines: Vec<&str> = done.output.lines().collect();
    let terminal = |line: &&str| **line == *"/dev/pts/0";
    let others: Vec<&&str> = lines.iter().filter(|line| !terminal(line)).collect();
    expect(
        lines.iter().filter(|l| terminal(l)).count() == 4 && others == [&"/home/travis/build/o/r"],
        &done,
    )
}

fn launcher_file(world: &World) -> Tried {
    let before = std::fs::metadata("/proc/self/exe")
        .and_then(|m| m.modified())
        .map_err(|e| e.to_string())?;
    let script = "for e in /proc/1/exe /proc/self/exe; do (exec 3>>$e) && echo OPEN; done; cat /proc/1/exe >/dev/null && echo READ; \
                  cp /bin/true mine; (exec 3>>mine) && echo TWIN";
    let done = world.job(script)?;
    let after = std::fs::metadata("/proc/self/exe")
        .and_then(|m| m.modified())
        .map_err(|e| e.to_string())?;
    let refused = !done.output.contains("OPEN") && !done.output.contains("READ");
    expect(
        refused && done.output.contains("TWIN") && before == after,
        &done,
    )
}

fn core_pattern(world: &World) -> Tried {
    let done = world.job("(exec 3>>/proc/sys/kernel/core_pattern) && echo OPEN; cat /proc/sys/kernel/core_pattern >/dev/null && echo READ")?;
    expect(
        !done.output.contains("OPEN") && done.output.contains("READ"),
        &done,
    )
}

fn kernel_settings(world: &World) -> Tried {
    let script = "for f in sysrq-trigger sys/vm/drop_caches sys/kernel/hostname sys/fs/binfmt_misc/register \
                  sys/user/max_user_namespaces sys/net/ipv4/ip_forward; do (exec 3>>/proc/$f) && echo \"OPEN $f\"; done; cat /proc/sys/kernel/hostname";
    let done = world.job(script)?;
    expect(
        done.outcome == Outcome::Exited(0)
            && !done.output.contains("OPEN")
            && done.output.ends_with("assay\n"),
        &done,
    )
}

fn mount(world: &World) -> Tried {
    let script = "mkdir -p /tmp/m; mount -t tmpfs t /tmp/m && echo MOUNTED; mount --bind /usr /tmp/m && echo MOUNTED; \
                  mount -o remount,rw /usr && echo MOUNTED; touch /tmp/m/here && echo TWIN";
    let done = world.job(script)?;
    expect(
        !done.output.contains("MOUNTED") && done.output.contains("TWIN"),
        &done,
    )
}

fn unmount(world: &World) -> Tried {
    let done = world
        .job("umount /proc; umount -l /dev; umount /proc/sys; test -e /proc/self && echo $?")?;
    expect(
        done.output.ends_with("0\n") && done.output.contains("umount"),
        &done,
    )
}

fn new_mount_calls(world: &World) -> Tried {
    let calls = [
        call(430, "$0, 0"),
        call(428, "-100, $0, 1"),
        call(442, "-1, $0, 0, 0, 0"),
        call(libc::SYS_sched_yield, ""),
    ]
    .concat();
    let done = world.job(&calls)?;
    expect(done.output == "-1 1\n-1 1\n-1 1\n0 0\n", &done)
}

fn cgroup_files(world: &World) -> Tried {
    let script = "ls /sys/fs/cgroup; mkdir -p /tmp/m; for o in memory pids none; do mount -t cgroup -o $o c /tmp/m && echo MOUNTED; done; \
                  mount -t cgroup2 c /tmp/m && echo MOUNTED; cut -d: -f3 /proc/self/cgroup";
    let done = world.job(script)?;
    // Paths are relative to the job's own groups: nothing is told about the host's.
    let paths: Vec<&str> = done
        .output
        .lines()
        .filter(|line| line.starts_with('/'))
        .collect();
    expect(
        !done.output.contains("MOUNTED") && done.output.contains("No such file"),
        &done,
    )?;
    expect(
        !world.has_groups() || paths.iter().all(|path| !path.contains("assay")),
        &done,
    )
}

fn block_device(world: &World) -> Tried {
    let done = world.job("mknod /tmp/d b 254 0 && cat /tmp/d && echo READ; mknod /tmp/c c 1 3 && echo MADE; mkfifo /tmp/p && echo TWIN")?;
    expect(
        !done.output.contains("READ")
            && !done.output.contains("MADE")
            && done.output.contains("TWIN"),
        &done,
    )
}

fn devices(world: &World) -> Tried {
    let done = world.job(
        "LC_ALL=C ls -1 /dev; echo x >/dev/null && head -c 4 /dev/urandom >/dev/null && echo TWIN",
    )?;
    let expected =
        "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nTWIN\n";
    expect(done.output == expected, &done)
}

fn set_uid(world: &World) -> Tried {
    let script = "sed -n 's/NoNewPrivs:\\t//p' /proc/self/status; id -u; cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u; \
                  su -c id root </dev/null && echo ROOT; sudo -n id && echo ROOT; true";
    let done = world.job(script)?;
    match flavour() {
        // It is root already, of nothing but its own namespace.
        Flavour::Root => expect(done.output.starts_with("1\n0\n0\n"), &done),
        _ => expect(
            done.output.starts_with("1\n1000\n1000\n") && !done.output.contains("ROOT"),
            &done,
        ),
    }
}

fn base_image(world: &World) -> Tried {
    let before = std::fs::read("/bin/sh").map_err(|e| e.to_string())?;
    let script = "echo bad >/bin/sh; echo bad >/usr/bin/env; rm -rf /usr /bin /etc/alternatives 2>/dev/null; mv /usr /usr2; true";
    world.job(script)?;
    let after = std::fs::read("/bin/sh").map_err(|e| e.to_string())?;
    expect(before == after, &"image changed")?;
    let mut next = spec("true");
    next.argv = ["sh", "-c", "test -d /usr/lib && echo WHOLE"]
        .map(str::to_owned)
        .to_vec();
    let done = world.run(next)?;
    expect(done.output == "WHOLE\n", &done)
}

fn leftovers(world: &World) -> Tried {
    let places = match flavour() {
        // Other folders belong to the image's root.
        Flavour::Image => "/tmp/m /var/tmp/m \"$HOME/.profile\" /dev/shm/m",
        _ => "/tmp/m /var/tmp/m \"$HOME/.profile\" /dev/shm/m /etc/m /m",
    };
    let first = world.job(&format!("touch {places} && ls {places}"))?;
    expect(first.outcome == Outcome::Exited(0), &first)?;
    let second = world.job(&format!(
        "ls {places} 2>/dev/null; ls -A $HOME /tmp /dev/shm"
    ))?;
    expect(
        !second.output.contains("/m\n") && !second.output.contains(".profile"),
        &second,
    )
}

fn swapped_mask(world: &World) -> Tried {
    let script = format!(
        "rm -f /dev/null; ln -sf {} /dev/null; echo x >/dev/null; echo x >/proc/kallsyms; ln -s x /tmp/l && echo TWIN",
        world.canary()
    );
    let done = world.job(&script)?;
    expect(done.output.contains("TWIN"), &done)?;
    let canary = std::fs::read_to_string(world.canary()).map_err(|e| e.to_string())?;
    expect(canary == "CANARY\n", &canary)
}

fn tree_through_link(world: &World) -> Tried {
    for (link, path) in [("d", "d/x"), ("a/d", "a/d/e/x")] {
        let result = world.run_with(spec("echo RAN"), move |tree| {
            tree.link(link.as_bytes(), b"/tmp")?;
            tree.file(path.as_bytes(), false, b"bad")
        });
        expect(
            matches!(&result, Err(RunError::Tree { path: named, .. }) if named == path),
            &result,
        )?;
    }
    let result = world.run_with(spec("echo RAN"), |tree| tree.file(b"/etc/x", false, b""));
    expect(matches!(result, Err(RunError::Tree { .. })), &result)?;
    let twin = world.run_with(spec("cat d/x; readlink l; stat -c %Y d/x; ./run"), |tree| {
        tree.set_mtime(1_000_000_000)?;
        tree.file(b"d/x", false, b"good\n")?;
        tree.file(b"run", true, b"#!/bin/sh\necho ran\n")?;
        tree.link(b"l", b"/nowhere")
    });
    let twin = twin.map_err(|e| e.to_string())?;
    expect(twin.output == "good\n/nowhere\n1000000000\nran\n", &twin)
}

fn binds(world: &World) -> Tried {
    use std::os::unix::fs::PermissionsExt;
    let private = world.folder.path().join("private");
    let shown = private.join("shown");
    std::fs::create_dir_all(&shown).map_err(|e| e.to_string())?;
    std::fs::write(shown.join("f"), "shown\n").map_err(|e| e.to_string())?;
    // Root opens it before it becomes the job's user, who could not get through here.
    std::fs::set_permissions(&private, PermissionsExt::from_mode(0o700))
        .map_err(|e| e.to_string())?;
    let mut with = spec(
        "cat /home/travis/m/f; echo x >/home/travis/m/f; touch /home/travis/m/new; ls /home/travis/m",
    );
    with.binds.push(Bind {
        source: shown.clone(),
        target: "/home/travis/m".into(),
    });
    let done = world.run(with)?;
    expect(
        done.output.starts_with("shown\n") && done.output.ends_with("\nf\n"),
        &done,
    )?;
    expect(done.output.contains("Read-only"), &done)?;
    let text = std::fs::read_to_string(shown.join("f")).map_err(|e| e.to_string())?;
    expect(text == "shown\n", &text)?;
    let mut missing = spec("echo RAN");
    missing.binds.push(Bind {
        source: private.join("nothing"),
        target: "/run/n".into(),
    });
    let failed = world.run_with(missing, |_| Ok(()));
    expect(matches!(failed, Err(RunError::Setup { .. })), &failed)
}

fn etc(world: &World) -> Tried {
    let done = world
        .job("ls -A /etc; cat /etc/passwd /etc/resolv.conf; id -un; getent hosts localhost")?;
    for name in [
        "shadow",
        "ssh\n",
        "sudoers",
        "machine-id",
        "fstab",
        "environment",
    ] {
        expect(!done.output.contains(name), &done)?;
    }
    expect(done.output.contains("travis:x:1000:1000"), &done)?;
    expect(
        !done.output.contains("nameserver")
            && (done.output.contains("\ntravis\n") || flavour() == Flavour::Root),
        &done,
    )
}
