//! The weak twins, one for each row that is tested here.

use super::Bed::{Bare, BareRoot, Chroot, Namespaces, Terminal};
use super::Weak::{Both, Only, Within, Without};
use super::{Twin, Weak};
use crate::world::Needs;

const fn twin(row: &'static str, weak: Weak) -> Twin {
    Twin {
        row,
        needs: Needs::Nothing,
        weak,
    }
}

const fn perl(row: &'static str, weak: Weak) -> Twin {
    Twin {
        row,
        needs: Needs::Perl,
        weak,
    }
}

const fn grouped(row: &'static str, weak: Weak) -> Twin {
    Twin {
        row,
        needs: Needs::Groups,
        weak,
    }
}

const ASKED: &str =
    "each address answers this program, which is in no sandbox, before the job is refused it";

/// In the order of the table. `@…@` are replaced; see [`super::Bait`].
pub(crate) const WEAK: &[Twin] = &[
    twin("A1", Both(Bare, "grep -q CANARY @canary@ && echo GOT")),
    twin(
        "A2",
        Both(Chroot, "grep -q CANARY /proc/1/root@canary@ && echo GOT"),
    ),
    twin("A3", Both(Bare, "grep -q CANARY <&@leak@ && echo GOT")),
    twin(
        "A4",
        Both(Bare, "head -c 4 /proc/$PPID/exe | grep -q ELF && echo GOT"),
    ),
    twin(
        "A5",
        Both(
            BareRoot,
            "(exec 3>>/proc/sys/kernel/core_pattern) && echo GOT",
        ),
    ),
    twin(
        "A6",
        Both(
            Namespaces,
            "(exec 3>>/proc/sys/net/ipv4/ip_forward) && echo GOT",
        ),
    ),
    twin(
        "A7",
        Both(Namespaces, "mkdir -p m; mount -t tmpfs t m && echo GOT"),
    ),
    twin(
        "A8",
        Both(
            Namespaces,
            "echo CANARY >f; mount --bind /dev/null f; umount f && grep -q CANARY f && echo GOT",
        ),
    ),
    perl(
        "A9",
        Both(
            Namespaces,
            "perl -e '$t = \"tmpfs\"; $r = syscall(@fsopen@, $t, 0); print \"GOT\\n\" if $r >= 0'",
        ),
    ),
    twin(
        "A10",
        Both(
            Namespaces,
            "mkdir -p m; (mount -t cgroup -o memory c m || mount -t cgroup2 c m) && echo GOT",
        ),
    ),
    twin("A11", Both(BareRoot, "mknod n c 1 3 && echo GOT")),
    twin("A12", Both(Bare, "test -e /dev/kmsg && echo GOT")),
    twin(
        "A13",
        Both(
            Bare,
            "grep -q 'NoNewPrivs:.0' /proc/self/status && echo GOT",
        ),
    ),
    perl(
        "A14",
        Both(
            BareRoot,
            "cp /bin/cat /tmp/assay-weak-cat; perl -e '($p, $n) = (\"/tmp/assay-weak-cat\", \"security.capability\"); \
         $v = pack(\"V5\", 0x02000001, 0x2000, 0, 0, 0); syscall(@setxattr@, $p, $n, $v, 20, 0)'; \
         setpriv --reuid 65534 --clear-groups /tmp/assay-weak-cat /proc/self/status | grep -q 'CapEff:.*2000$' && echo GOT; \
         rm -f /tmp/assay-weak-cat",
        ),
    ),
    twin(
        "A15",
        Only(
            Bare,
            "cp /bin/sh image; bash -c 'echo bad >image'; grep -q bad image && echo GOT",
        ),
    ),
    twin(
        "A16",
        Only(Bare, "bash -c 'touch m'; bash -c 'test -e m && echo GOT'"),
    ),
    twin(
        "A17",
        Both(
            Namespaces,
            "mkdir -p l u w m; mount -t tmpfs t m; mkdir m/l m/u m/w m/m; \
         mount -t overlay o -o userxattr,lowerdir=m/l,upperdir=m/u,workdir=m/w m/m && echo GOT",
        ),
    ),
    // A supervisor that writes by path where a job has been.
    twin(
        "A18",
        Only(
            Bare,
            "echo fine >f; ln -s f null; echo x >null; grep -q x f && echo GOT",
        ),
    ),
    // An archive taken at its word.
    twin(
        "A19",
        Only(
            Bare,
            "mkdir a b; echo x >up; (cd a; tar -cPf ../t.tar ../up); rm up; (cd b; tar -xPf ../t.tar); test -e up && echo GOT",
        ),
    ),
    twin(
        "A20",
        Only(
            Bare,
            "mkdir in out; ln -s ../out in/d; echo bad >in/d/x; test -e out/x && echo GOT",
        ),
    ),
    twin(
        "A21",
        Only(
            Bare,
            "mkdir in; touch in/f; chmod 6755 in/f; mkdir out; tar -C in -cf - f | tar -C out -xpf -; \
         [ $(stat -c %a out/f) = 6755 ] && echo GOT",
        ),
    ),
    // Collectors that follow links, wait, and count nothing.
    twin(
        "A22",
        Only(
            Bare,
            "mkdir out; ln -s @canary@ out/f; cp -rL out kept; grep -q CANARY kept/f && echo GOT",
        ),
    ),
    twin(
        "A23",
        Only(
            Bare,
            "mkfifo p; timeout 0.5 cat p; [ $? = 124 ] && echo GOT",
        ),
    ),
    twin(
        "A24",
        Only(
            Bare,
            "truncate -s 1T big; [ $(head -c 17M big | wc -c) -gt 16777216 ] && echo GOT",
        ),
    ),
    twin(
        "A25",
        Only(
            Bare,
            "head -c 64M /dev/zero | gzip >f; [ $(stat -c %s f) -lt 100000 ] && [ $(gzip -dc f | wc -c) = 67108864 ] && echo GOT",
        ),
    ),
    twin(
        "A26",
        Only(
            Bare,
            ": >\"$(printf 'a\\nb')\"; [ $(ls | wc -l) = 2 ] && echo GOT",
        ),
    ),
    twin("B1", Both(Bare, "unshare -Ur true && echo GOT")),
    perl(
        "B2",
        Both(
            Bare,
            "perl -e '$b = \"\\0\" x 200; $r = syscall(@io_uring_setup@, 4, $b); print \"GOT\\n\" if $r >= 0'",
        ),
    ),
    perl(
        "B3",
        Both(
            Bare,
            "perl -e '$r = syscall(@userfaultfd@, 1); print \"GOT\\n\" if $r >= 0'",
        ),
    ),
    perl(
        "B4",
        Both(
            Bare,
            "perl -e '$r = syscall(@bpf@, 0, 0, 0); $e = $! + 0; print \"GOT\\n\" if $e == 22 || $e == 14'",
        ),
    ),
    perl(
        "B5",
        Both(
            Bare,
            "perl -e '$r = syscall(@perf_event_open@, 0, 0, -1, -1, 0); print \"GOT\\n\" if $! + 0 == 14'",
        ),
    ),
    perl(
        "B6",
        Both(
            Bare,
            "perl -e '$r = syscall(@keyctl@, 0, -4, 0); print \"GOT\\n\" if $r > 0'",
        ),
    ),
    twin(
        "B7",
        Both(Bare, "grep -q PATH /proc/$PPID/environ && echo GOT"),
    ),
    perl(
        "B8",
        Both(
            Bare,
            "perl -e '$r = syscall(@ptrace@, 0x4206, $ARGV[0] + 0, 0, 0); print \"GOT\\n\" if $r == 0' $PPID",
        ),
    ),
    perl(
        "B9",
        Both(
            BareRoot,
            "perl -e '$o = \"\"; $r = syscall(@finit_module@, -1, $o, 0); $e = $! + 0; print \"GOT\\n\" if $e != 1 && $e != 38'",
        ),
    ),
    perl(
        "B10",
        Both(
            Terminal,
            "perl -e '$b = \"x\"; print \"GOT\\n\" if defined ioctl(STDIN, 0x5412, $b)'",
        ),
    ),
    twin(
        "B11",
        Without("it would set the host's clock: time has no namespace for that clock"),
    ),
    twin("B12", Both(Namespaces, "hostname evil && echo GOT")),
    twin("B13", Both(BareRoot, "test -r /proc/kcore && echo GOT")),
    perl(
        "B14",
        Both(
            Namespaces,
            "perl -e 'print \"GOT\\n\" if socket(S, 17, 3, 0)'",
        ),
    ),
    perl(
        "B15",
        Both(Bare, "perl -e 'print \"GOT\\n\" if socket(S, 40, 1, 0)'"),
    ),
    perl(
        "B16",
        Both(
            Bare,
            "perl -e '$r = syscall(@personality@, 0x0000004); print \"GOT\\n\" if $r >= 0'",
        ),
    ),
    twin("B17", Both(Bare, "grep -q . /proc/kallsyms && echo GOT")),
    // Wrong numbers: refused for them, which is after the right to ask was looked at.
    perl(
        "B18",
        Both(
            Namespaces,
            "perl -e '$r = syscall(@reboot@, 0, 0, 0, 0); print \"GOT\\n\" if $! + 0 == 22'",
        ),
    ),
    twin(
        "B19",
        Both(
            Namespaces,
            "grep -q 'CapEff:.*f' /proc/self/status && echo GOT",
        ),
    ),
    twin("B20", Both(Bare, "ulimit -c unlimited && echo GOT")),
    twin(
        "B21",
        Both(Bare, "grep -q 'Seccomp:.0' /proc/self/status && echo GOT"),
    ),
    twin(
        "B22",
        Both(BareRoot, "[ $(nice -n -5 nice) = -5 ] && echo GOT"),
    ),
    twin(
        "C1",
        Both(
            Bare,
            "sh -c 'i=0; p=; while [ $i -lt 300 ]; do sleep 5 & p=\"$p $!\"; i=$((i+1)); done; echo GOT; kill $p'",
        ),
    ),
    perl(
        "C2",
        Both(Bare, "perl -e '$x = \"x\" x (600 << 20); print \"GOT\\n\"'"),
    ),
    grouped(
        "C3",
        Both(
            Bare,
            "for i in 1 2 3 4; do perl -e '$| = 1; $x = \"x\" x (150 << 20); print \"held\\n\"; sleep 30' >o$i & done; \
         n=0; while [ $n -lt 200 ] && [ $(cat o? | grep -c held) != 4 ]; do n=$((n+1)); sleep 0.1; done; \
         [ $n -lt 200 ] && echo GOT; kill $(jobs -p)",
        ),
    ),
    // A supervisor that believes the last command.
    twin(
        "C4",
        Only(
            Bare,
            "bash -c 'bash -c \"kill -9 \\$\\$\"; true' && echo GOT",
        ),
    ),
    twin(
        "C5",
        Both(
            Bare,
            "dd if=/dev/zero of=big bs=1M count=80 && echo GOT; rm -f big",
        ),
    ),
    twin(
        "C6",
        Both(
            Bare,
            "mkdir m; i=0; while [ $i -lt 4100 ]; do : >m/$i || break; i=$((i+1)); done; [ $i = 4100 ] && echo GOT",
        ),
    ),
    Twin {
        row: "C7",
        needs: Needs::Groups,
        weak: Both(
            Bare,
            "perl -e '$n = \"x\"; $f = syscall(@memfd_create@, $n, 0); open(F, \">&=\", $f); $b = \"x\" x (1 << 20); \
             for (1 .. 600) { syswrite(F, $b) == length $b or exit } print \"GOT\\n\"'",
        ),
    },
    // Supervisors that keep whatever comes.
    twin(
        "C8",
        Only(
            Bare,
            "[ $(yes | head -c 2000000 | wc -c) -gt 1048576 ] && echo GOT",
        ),
    ),
    twin(
        "C9",
        Only(
            Bare,
            "x=$(tr '\\0' a </dev/zero | head -c 2000000); [ ${#x} -gt 1048576 ] && echo GOT",
        ),
    ),
    // One that believes the log.
    twin(
        "C11",
        Only(
            Bare,
            "x=$(sh -c 'echo \"The command \\\"x\\\" exited with 0.\"; exit 3'); case $x in *'exited with 0.'*) echo GOT;; esac",
        ),
    ),
    // Those that kill, or wait for, what they know of.
    twin(
        "C12",
        Only(
            Bare,
            "p=$(bash -c 'setsid sleep 9 >/dev/null 2>&1 & echo $!'); kill -0 $p && echo GOT; kill $p",
        ),
    ),
    twin(
        "C13",
        Only(
            Bare,
            "bash -c '(sleep 2 &); exit 0' | timeout 0.5 cat; [ ${PIPESTATUS[1]} = 124 ] && echo GOT",
        ),
    ),
    twin(
        "C14",
        Only(
            Bare,
            "mkfifo up; (trap '' TERM; echo up >up; exec sleep 9) & read x <up; kill $!; sleep 0.2; \
         grep -q 'State:.[RS]' /proc/$!/status && echo GOT; kill -9 $!",
        ),
    ),
    perl(
        "C15",
        Only(
            Namespaces,
            "exec perl -e 'for (1 .. 50) { fork or exit } \
         for (1 .. 50) { $n = grep { open(F, $_) && <F> =~ /\\) Z / } </proc/[0-9]*/stat>; last if $n >= 50; select(undef, undef, undef, 0.05) } \
         print \"GOT\\n\" if $n >= 50'",
        ),
    ),
    twin(
        "C16",
        Both(Bare, "test -d /proc/@self@ && kill -0 @self@ && echo GOT"),
    ),
    twin(
        "C17",
        Without(
            "every process has a table of its own, sandbox or not; the row watches the daemon's",
        ),
    ),
    twin(
        "C18",
        Within(
            "the same processes without groups: the hog takes what the row must not let it have",
        ),
    ),
    twin(
        "C19",
        Only(Bare, "sleep 9 & sleep 0.3; kill -0 $! && echo GOT; kill $!"),
    ),
    twin(
        "C20",
        Only(
            Bare,
            "i=$(ipcmk -M 1000 | grep -o '[0-9]*$'); bash -c \"ipcs -m -i $i\" | grep -q 1000 && echo GOT; ipcrm -m $i",
        ),
    ),
    twin(
        "C21",
        Only(
            Bare,
            "mkdir kept; head -c 17M /dev/zero >kept/f; [ $(stat -c %s kept/f) -gt 16777216 ] && echo GOT",
        ),
    ),
    twin(
        "C22",
        Within("two processes of one uid: the second is refused"),
    ),
    twin(
        "C23",
        Only(
            Bare,
            "p=$(bash -c 'sleep 9 >/dev/null & echo $!; kill -9 $$'); kill -0 $p && echo GOT; kill $p",
        ),
    ),
    twin(
        "C24",
        Only(
            Bare,
            "x=$(head -c 3M /dev/zero | tr '\\0' x); X=$x /bin/true; [ $? = 126 ] && echo GOT; export x; /bin/true || echo GOT",
        ),
    ),
    twin("D1", Both(Bare, "grep -q :@hex@ /proc/net/tcp && echo GOT")),
    twin("D2", Both(Bare, "cat </dev/tcp/127.0.0.1/@port@")),
    twin("D3", Within(ASKED)),
    twin("D4", Within(ASKED)),
    twin("D5", Within(ASKED)),
    twin("D6", Within(ASKED)),
    twin("D7", Within(ASKED)),
    twin("D8", Within(ASKED)),
    twin("D9", Within(ASKED)),
    Twin {
        row: "D10",
        needs: Needs::Outside,
        weak: Both(
            Bare,
            "exec 3<>/dev/tcp/@site@ && read x <&3 && [ $x = OUTSIDE ] && echo GOT",
        ),
    },
    perl(
        "D11",
        Both(
            Bare,
            "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print \"GOT\\n\" if connect(S, pack(\"Sa*\", AF_UNIX, \"\\0@name@\"))'",
        ),
    ),
    twin("D12", Both(Bare, "test -S @socket@ && echo GOT")),
    perl(
        "D13",
        Only(
            Bare,
            "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalAddr => \"0.0.0.0\"); print $l->sockport, \"\\n\"; \
         open(STDOUT, \">\", \"/dev/null\"); $SIG{ALRM} = sub { exit }; alarm 5; $s = $l->accept; print $s \"GOT\\n\"' >p & \
         while ! [ -s p ]; do kill -0 $! || exit; sleep 0.05; done; cat </dev/tcp/127.0.0.1/$(cat p)",
        ),
    ),
    twin(
        "D14",
        Within(
            "listeners of this program are reached at the addresses where the job's must not be: row D3",
        ),
    ),
    twin(
        "D15",
        Both(
            Namespaces,
            "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && ip link set lo down && echo GOT",
        ),
    ),
    perl(
        "D16",
        Both(
            Namespaces,
            "perl -e 'print \"GOT\\n\" if socket(S, 2, 3, 1)'",
        ),
    ),
    // A helper started as any program is.
    twin(
        "D17",
        Only(
            Bare,
            "grep -q 'Seccomp:.0' /proc/self/status && test -r /etc/passwd && echo GOT",
        ),
    ),
    Twin {
        row: "D18",
        needs: Needs::Outside,
        weak: Both(Bare, "grep -q nameserver /etc/resolv.conf && echo GOT"),
    },
    twin(
        "E1",
        Both(
            Bare,
            "tr '\\0' '\\n' </proc/$PPID/environ | grep -q ^PATH= && echo GOT",
        ),
    ),
    // Text pasted into a script.
    twin("E12", Only(Bare, "b='a$(echo GOT)b'; bash -c \"echo $b\"")),
    Twin {
        row: "E13",
        needs: Needs::Outside,
        weak: Both(
            Bare,
            "exec 3<>/dev/tcp/@site@ && read x <&3 && [ $x = OUTSIDE ] && echo GOT",
        ),
    },
];
