//! Imported images and the root profile: rows that only they have.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use assay_sandbox::{First, ImageError, Outcome, Profile, RunError, RunSpec};

use crate::world::{self, Case, Flavour, Needs, Tried, World, expect, flavour, needing, spec};

const fn case(name: &'static str, run: fn(&World) -> Tried) -> Case {
    needing(Needs::Image, name, run)
}

pub(crate) const CASES: &[Case] = &[
    case("A13-A14 set-uid program of the image", set_uid),
    case("A15 image after the worst a job can do", spoiled),
    case("A17 copies through the overlay", copies),
    case("A19-A21 archives that lead out", archives),
    case("A25 archives that unpack to a hundred GiB", bombs),
    case("an image in use stays", in_use),
    case("an image whose folders are links", linked),
    case("owners are the image's", owners),
    case("sudo says what it is", sudo),
    case("a package is installed", package),
    case("no more rights than eight", rights),
    case("root first, then nobody", root_first),
    case("root first ends as it ends", root_first_ends),
    case("root first attacks", root_first_attacks),
];

fn set_uid(world: &World) -> Tried {
    let done = world.job("stat -c %a /opt/suid-id; /opt/suid-id -u; id -u; cp /opt/suid-id /tmp/x; chmod 6755 /tmp/x; /tmp/x -u")?;
    let id = if flavour() == Flavour::Root {
        "0"
    } else {
        "1000"
    };
    expect(done.output == format!("755\n{id}\n{id}\n{id}\n"), &done)?;
    let done = world.job("/opt/cap-cat /proc/self/status | grep '^Cap[PE]'")?;
    let rights: Vec<u64> = done
        .output
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split('\t').nth(1)?, 16).ok())
        .collect();
    let raw_packets = 1 << 13;
    expect(
        rights.len() == 2 && rights.iter().all(|set| set & raw_packets == 0),
        &done,
    )?;
    // As another user, what was made set-uid by root helps as little: privileges can't be gained any more.
    if flavour() == Flavour::Root {
        let done = world.job("chown 0:0 /tmp/x; cp /opt/suid-id /tmp/x; chmod 6755 /tmp/x; setpriv --reuid 77 --clear-groups /tmp/x -u")?;
        expect(done.output.ends_with("77\n"), &done)?;
    }
    Ok(())
}

fn spoiled(world: &World) -> Tried {
    let images = world::images().ok_or("no images")?;
    let script = "rm -rf /usr/lib/[a-k]* /etc /var /opt 2>/dev/null; echo bad >/usr/bin/cat; chmod 777 /usr; mv /bin /bin2; \
                  ln -s /nowhere /home2; true";
    world.job(script)?;
    let differences = images.verify("tiny").map_err(|e| e.to_string())?;
    expect(differences.is_empty(), &differences)?;
    let next = world.job("cat /etc/owned-by-root && ls -d /var/lib")?;
    expect(next.output == "root's\n/var/lib\n", &next)
}

fn copies(world: &World) -> Tried {
    let script = "cp -a /opt/suid-id /tmp/y; chmod u+s /tmp/y; /tmp/y -u; \
                  perl -e '$p = \"/tmp/y\"; $n = \"user.overlay.metacopy\"; $v = \"y\"; $r = syscall(188, $p, $n, $v, 1, 0); print \"$r\\n\"'; \
                  mkdir -p /tmp/l /tmp/u /tmp/w /tmp/m; mount -t overlay o -o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w /tmp/m && echo MOUNTED; true";
    let done = world.job(script)?;
    let id = if flavour() == Flavour::Root {
        "0\n"
    } else {
        "1000\n"
    };
    expect(
        done.output.starts_with(id) && !done.output.contains("MOUNTED"),
        &done,
    )
}

/// An archive of one file with this name; a link before it, if there is one.
fn archive(link: Option<(&str, &str)>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |kind: u8, name: &str, target: &str, content: &[u8]| {
        let mut head = [0_u8; 512];
        let mut put =
            |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(157, target);
        put(257, "ustar\x0000");
        head[156] = kind;
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    };
    if let Some((name, target)) = link {
        add(b'2', name, target, b"");
    }
    add(b'0', name, "", b"bad");
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn archives(world: &World) -> Tried {
    let images = world::images().ok_or("no images")?;
    let path = world.folder.path().join("archive.tar");
    let import = |bytes: &[u8]| {
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        Ok::<_, String>(images.import("evil", &path, 0))
    };
    let cases = [
        (None, "../../x"),
        (None, "/x"),
        (None, "a/../../x"),
        (Some(("a", "/etc")), "a/passwd"),
        (Some(("a", "..")), "a/x"),
    ];
    for (link, name) in cases {
        let result = import(&archive(link, name))?;
        expect(result.is_err(), &(name, &result))?;
    }
    let whole = archive(None, "usr/x");
    let cut = import(&whole[..514])?;
    expect(cut.is_err(), &cut)?;
    expect(
        matches!(images.find("evil"), Err(ImageError::Unknown(_))),
        &"an image was left",
    )?;
    let left: Vec<_> = std::fs::read_dir(world.folder.path().join("images"))
        .map_err(|e| e.to_string())?
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("tmp-"))
        .collect();
    expect(left.is_empty(), &left)?;
    // Twin: the same name, plain, is taken.
    let twin = import(&whole)?;
    expect(twin.is_ok(), &twin)?;
    let removed = images.remove("evil");
    expect(removed.is_ok(), &removed)
}

/// A head, and pieces that are all the same, so that each is compressed once: ten MiB, or that many pieces.
fn bomb(head: &[u8], piece: &[u8], most: usize, gzip: bool) -> std::io::Result<Vec<u8>> {
    use std::io::Write;
    let pack = |bytes: &[u8]| match gzip {
        true => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes)?;
            out.finish()
        }
        false => zstd::encode_all(bytes, 1),
    };
    let mut bytes = pack(head)?;
    let packed = pack(piece)?;
    let pieces = (10 << 20) / packed.len();
    bytes.extend(packed.repeat(pieces.min(most)));
    Ok(bytes)
}

/// The head of a file that claims this length.
fn claims(length: u64) -> Vec<u8> {
    let mut head = archive(None, "usr/big");
    head.truncate(512);
    // A number that is too long for digits is written as it is.
    head[124..136].fill(0);
    head[124] = 0x80;
    head[128..136].copy_from_slice(&length.to_be_bytes());
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head
}

fn bombs(world: &World) -> Tried {
    const GIB: u64 = 1 << 30;
    let images = world::images().ok_or("no images")?;
    let path = world.folder.path().join("bomb");
    let text = |e: std::io::Error| e.to_string();
    let free =
        || rustix::fs::statvfs(world.folder.path()).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let zeros = vec![0; 8 << 20];
    let files = [claims(8 << 20), zeros.clone()].concat();
    // It says how much it is; it says much less than what follows; it is many files.
    let all = [
        (claims(100 * GIB), &zeros, 12_800, false),
        (claims(100 * GIB), &zeros, 12_800, true),
        (claims(4 << 20), &zeros, 12_800, false),
        (vec![], &files, 800, false),
    ];
    for (head, piece, most, gzip) in all {
        let bytes = bomb(&head, piece, most, gzip).map_err(text)?;
        std::fs::write(&path, &bytes).map_err(text)?;
        expect(bytes.len() <= 11 << 20, &bytes.len())?;
        let (before, began) = (free(), std::time::Instant::now());
        let result = images.import("bomb", &path, 0);
        let took = began.elapsed();
        expect(
            result.is_err() && took.as_secs() < 60,
            &(gzip, &result, took),
        )?;
        // Nothing of it is left. Others use this disk too.
        expect(before.saturating_sub(free()) < 2 * GIB, &(before, free()))?;
    }
    expect(
        matches!(images.find("bomb"), Err(ImageError::Unknown(_))),
        &"an image was left",
    )?;
    // Twin: compressed as well, but to what it is.
    let honest = zstd::encode_all(archive(None, "usr/x").as_slice(), 1).map_err(text)?;
    std::fs::write(&path, honest).map_err(text)?;
    let twin = images.import("bomb", &path, 0);
    expect(twin.is_ok(), &twin)?;
    let removed = images.remove("bomb");
    drop(std::fs::remove_file(&path));
    expect(removed.is_ok(), &removed)
}

fn in_use(world: &World) -> Tried {
    let images = world::images().ok_or("no images")?;
    let path = world.folder.path().join("lone.tar");
    std::fs::write(&path, archive(None, "usr/x")).map_err(|e| e.to_string())?;
    images.import("lone", &path, 0).map_err(|e| e.to_string())?;
    // Nothing in it can be run: the run waits for its tree, and holds the image meanwhile.
    let mut job = spec("true");
    job.image = assay_sandbox::Image::Imported(images.find("lone").map_err(|e| e.to_string())?);
    let refused = world.runtime.block_on(async {
        let (run, tree) = assay_sandbox::Run::start(&world.launcher, job)
            .await
            .map_err(|e| e.to_string())?;
        let refused = images.remove("lone");
        drop(tree);
        drop(run.finish().await);
        Ok::<_, String>(refused)
    })?;
    expect(matches!(refused, Err(ImageError::InUse(_))), &refused)?;
    let removed = images.remove("lone");
    expect(removed.is_ok(), &removed)
}

/// Where the jail puts something of its own, an image may have a link to somewhere else of the host: no step follows it.
fn linked(world: &World) -> Tried {
    let images = world::images().ok_or("no images")?;
    let path = world.folder.path().join("linked.tar");
    let run_in = |link: &str, target: &str| {
        let bytes = archive(Some((link, target)), "usr/x");
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        let done = images
            .import("linked", &path, 0)
            .and_then(|_| images.find("linked"));
        let mut job = spec("true");
        job.image = assay_sandbox::Image::Imported(done.map_err(|e| e.to_string())?);
        let ended = world.run_with(job, |_| Ok(()));
        images.remove("linked").map_err(|e| e.to_string())?;
        Ok::<_, String>(ended)
    };
    for (link, target) in [
        ("proc", "/usr"),
        ("proc", "/proc"),
        ("proc", "usr"),
        ("dev", "/usr"),
        ("run", "/etc"),
        ("etc", "/proc/1/root/etc"),
        ("home", "/tmp"),
        ("home/travis", "/etc"),
    ] {
        let ended = run_in(link, target)?;
        let refused = matches!(ended, Err(RunError::Setup { .. } | RunError::Tree { .. }));
        expect(refused, &(link, target, &ended))?;
    }
    // Twin: a link where nothing is put. There is just no program to be run.
    let ended = run_in("srv", "/etc")?;
    expect(matches!(ended, Err(RunError::Command { .. })), &ended)
}

fn owners(world: &World) -> Tried {
    let done = world.job("stat -c '%u:%g' / /etc/owned-by-root /usr /home/travis /home/travis/build . /tmp; cat /etc/passwd; id -un")?;
    let own = if flavour() == Flavour::Root {
        "0:0\n"
    } else {
        "1000:1000\n"
    };
    let expected = match world.ranged {
        true => format!("0:0\n0:0\n0:0\n{own}{own}{own}0:0\n"),
        // Without a range there is one owner only.
        false => own.repeat(7),
    };
    // The image's other users are still there, and ours is.
    let known = done
        .output
        .contains("server:x:77:77::/:/bin/sh\ntravis:x:1000:1000:");
    expect(done.output.starts_with(&expected) && known, &done)
}

fn sudo(world: &World) -> Tried {
    let done =
        world.job("sudo -n id -u; echo $?; sudo -u server id -u; sudo A=b sh -c 'echo $A'")?;
    match flavour() {
        Flavour::Root => expect(done.output == "0\n0\n77\nb\n", &done),
        _ => expect(
            done.output.contains("profile strict")
                && done.output.contains("\n1\n")
                && done.outcome == Outcome::Exited(1),
            &done,
        ),
    }
}

fn package(world: &World) -> Tried {
    if !["dpkg", "dpkg-deb"]
        .iter()
        .all(|p| std::path::Path::new("/usr/bin").join(p).exists())
    {
        return Ok(());
    }
    let script = "mkdir -p p/DEBIAN p/usr/share/assay p/opt/s && echo hello >p/usr/share/assay/f && cp /bin/true p/opt/s/t && chmod 4755 p/opt/s/t && \
                  chown 77:77 p/usr/share/assay/f; \
                  printf 'Package: assay-test\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >p/DEBIAN/control && \
                  printf '#!/bin/sh\\nid -u >/var/log/postinst\\n' >p/DEBIAN/postinst && chmod 755 p/DEBIAN/postinst && \
                  dpkg-deb --build p p.deb >/dev/null && dpkg --force-depends --force-not-root -i p.deb && cat /usr/share/assay/f /var/log/postinst && \
                  stat -c '%u:%g' /usr/share/assay/f";
    let mut job = spec(script);
    job.env
        .push(("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned()));
    let done = world.run(job)?;
    match flavour() {
        Flavour::Root => expect(done.output.ends_with("hello\n0\n77:77\n"), &done),
        // All files are the job's own then, in its own layer.
        _ if !world.ranged => Ok(()),
        // Twin: without the profile the image can't be changed.
        _ => expect(
            matches!(done.outcome, Outcome::Exited(code) if code != 0),
            &done,
        ),
    }
}

fn rights(world: &World) -> Tried {
    // What the eight don't cover stays closed, uid 0 or not; what they cover works in the root profile.
    let script = "chroot / true && echo BAD; nft list ruleset && echo BAD; ip link set lo down && echo BAD; mknod /tmp/n c 1 3 && echo BAD; \
                  hostname evil && echo BAD; (exec 3>>/proc/sys/kernel/core_pattern) && echo BAD; (echo 1 >/proc/sys/net/ipv4/ip_forward) && echo BAD; \
                  kill -9 1; cat /proc/1/environ && echo BAD; readlink /proc/1/exe && echo BAD; chown 77 /tmp && setpriv --reuid 77 --clear-groups id -u; true";
    let done = world.job(script)?;
    let covered = done.output.ends_with("77\n") == (flavour() == Flavour::Root);
    expect(!done.output.contains("BAD") && covered, &done)?;
    // The host's view has no root at all.
    let mut none = spec("echo RAN");
    none.profile = Profile::Root;
    none.image = assay_sandbox::Image::Host { folders: vec![] };
    let refused = world.run_with(none, |_| Ok(()));
    expect(matches!(refused, Err(RunError::Profile(_))), &refused)?;
    let meta = std::fs::metadata(world.folder.path().join("images")).map_err(|e| e.to_string())?;
    expect(meta.permissions().mode() & 0o077 == 0, &meta)
}

pub(crate) fn first_with(script: &str, then: &str) -> RunSpec {
    let mut job = spec(then);
    job.first = Some(First {
        argv: ["bash", "-c", script].map(str::to_owned).to_vec(),
        env: job.env.clone(),
    });
    job
}

/// The pass in which a strict job can have something done by root first; the others refuse that.
pub(crate) fn has_first(world: &World) -> Result<bool, String> {
    if flavour() == Flavour::Image && world.ranged {
        return Ok(true);
    }
    let refused = world.run_with(first_with("echo BAD", "echo BAD"), |_| Ok(()));
    expect(matches!(refused, Err(RunError::Profile(_))), &refused)?;
    Ok(false)
}

fn root_first(world: &World) -> Tried {
    if !has_first(world)? {
        return Ok(());
    }
    // What it leaves running, in whatever way, is dead; what it wrote is there.
    let first = "id -u; echo made >/opt/made; cp /bin/true /opt/t; chmod 6755 /opt/t; tty || true; \
                 (setsid sleep 98765 >/dev/null 2>&1 &); (trap '' TERM INT HUP; exec -a kept sleep 98765) & \
                 (setsid setpriv --reuid 77 --clear-groups sleep 98765 &); ipcmk -M 1000 >/dev/null; \
                 sed -n 's/^CapEff:\\t//p' /proc/self/status; ! test -e /home/travis/build/o/r/source; exit 0";
    let job = "cat /opt/made; id -u; grep -c 98765 /proc/[0-9]*/cmdline; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; \
               grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; (echo x >/opt/more) 2>/dev/null || echo closed; \
               /opt/t && cat source; tty; kill -9 -1";
    let done = world
        .run_with(first_with(first, job), |tree| {
            tree.file(b"source", false, b"source\n")
        })
        .map_err(|error| error.to_string())?;
    let (before, after) = done.output.split_once("made\n").unwrap_or_default();
    expect(
        before.starts_with("0\nnot a tty\n") && before.trim_end().ends_with("00000000800004eb"),
        &done,
    )?;
    let alone = !after.contains("sleep 98765") && after.contains("closed\nsource\n/dev/pts/0\n");
    expect(after.starts_with("1000\n") && alone, &done)?;
    expect(
        after.matches("\t0000000000000000\n").count() == 5
            && after.contains("NoNewPrivs:\t1\nSeccomp:\t2"),
        &done,
    )?;
    // Twin: a look can tell, where it is the same command that left somebody.
    let twin = world.job("(setsid sleep 98765 >/dev/null 2>&1 &); sleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")?;
    expect(twin.output.contains("sleep 98765"), &twin)
}

fn root_first_ends(world: &World) -> Tried {
    if !has_first(world)? {
        return Ok(());
    }
    let failed = world.run(first_with("echo first; exit 7", "echo BAD"))?;
    expect(
        failed.outcome == Outcome::Exited(7) && failed.output == "first\n",
        &failed,
    )?;
    let killed = world.run(first_with("kill -9 $$", "echo BAD"))?;
    expect(
        killed.outcome == Outcome::Signaled(9) && killed.output.is_empty(),
        &killed,
    )?;
    // Its limits are the job's, and being told to end is no success.
    let mut slow = first_with(
        "trap 'exit 0' TERM; while :; do sleep 0.1; done",
        "echo BAD",
    );
    slow.limits.silence = Duration::from_secs(1);
    let slow = world.run(slow)?;
    expect(
        slow.outcome == Outcome::Silence && !slow.output.contains("BAD"),
        &slow,
    )?;
    let flood = world.run(first_with("yes", "echo BAD"))?;
    expect(flood.outcome == Outcome::Output, &flood)?;
    // Much output, and no end of it lost.
    let long = world.run(first_with("seq 20000", "echo end"))?;
    expect(
        long.output.ends_with("19999\n20000\nend\n") && long.output.starts_with("1\n2\n"),
        &long.output.len(),
    )
}

fn root_first_attacks(world: &World) -> Tried {
    if !has_first(world)? {
        return Ok(());
    }
    // The first process has rights left to become the job's user: nobody gets at it.
    let look = "kill -9 1; kill -STOP 1; cat /proc/1/environ && echo BAD; readlink /proc/1/exe && echo BAD; ls /proc/1/fd && echo BAD; \
                (exec 3<>/proc/1/mem) && echo BAD; mount -t tmpfs t /mnt && echo BAD; chroot / true && echo BAD; unshare -m true && echo BAD; \
                setsid cat >/opt/cat </dev/zero & true";
    let done = world.run(first_with(look, "echo fine"))?;
    expect(
        !done.output.contains("BAD") && done.output.ends_with("fine\n"),
        &done,
    )?;
    // What the job's own start passes through may be made useless, but nothing else comes of it, and nothing hangs.
    for trap in [
        "rm /dev/ptmx; mkfifo /dev/ptmx",
        "rm -rf /home/travis; ln -s / /home/travis",
        "rm -rf /home; ln -s /etc /home",
        "rm /dev/ptmx; ln -s /proc/1/fd/3 /dev/ptmx",
    ] {
        let ended = world.run_with(
            first_with(trap, "touch /etc/x && echo BAD; echo ran"),
            |tree| tree.file(b"source", false, b"source\n"),
        );
        let held = match &ended {
            Ok(done) => !done.output.contains("BAD"),
            Err(error) => !matches!(error, RunError::Lost(_)),
        };
        expect(held, &(trap, &ended))?;
    }
    Ok(())
}
