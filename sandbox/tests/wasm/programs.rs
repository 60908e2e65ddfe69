//! WASI programs, written as text modules.

/// A core module: `imports` are functions of WASI by name and type, `rest` its other parts.
fn module(imports: &[(&str, &str)], rest: &str) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .map(|(name, kind)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {kind}))")
        })
        .collect();
    binary(&format!("(module {imports} {rest})"))
}

/// The binary form; a mistake in a text becomes an empty program, which says so.
fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| {
        println!("{error}");
        Vec::new()
    })
}

const WRITE: (&str, &str) = ("fd_write", "(param i32 i32 i32 i32) (result i32)");
const READ: (&str, &str) = ("fd_read", "(param i32 i32 i32 i32) (result i32)");
const EXIT: (&str, &str) = ("proc_exit", "(param i32)");
const MEMORY: &str = "(memory (export \"memory\") 2)";

/// Writes a line.
pub(crate) fn hello() -> Vec<u8> {
    module(
        &[WRITE],
        &format!(
            r#"{MEMORY} (data (i32.const 0) "\10\00\00\00\06\00\00\00") (data (i32.const 16) "hello\0a")
            (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#
        ),
    )
}

/// Copies its input to its output.
pub(crate) fn cat() -> Vec<u8> {
    module(
        &[READ, WRITE],
        &format!(
            r#"{MEMORY} (func (export "_start") (loop $again
              (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
              (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
              (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
              (i32.store (i32.const 4) (i32.load (i32.const 8)))
              (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
              (br $again)))"#
        ),
    )
}

/// Ends with this code.
pub(crate) fn exit(code: i32) -> Vec<u8> {
    module(
        &[EXIT],
        &format!(r#"{MEMORY} (func (export "_start") (call $proc_exit (i32.const {code})))"#),
    )
}

/// Computes for ever.
pub(crate) fn endless() -> Vec<u8> {
    module(
        &[],
        &format!(r#"{MEMORY} (func (export "_start") (loop $l (br $l)))"#),
    )
}

/// Grows its memory until that fails; ends with its size in mebibytes.
pub(crate) fn memory() -> Vec<u8> {
    module(
        &[EXIT],
        &format!(
            r#"{MEMORY} (func (export "_start")
              (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
              (call $proc_exit (i32.div_u (memory.size) (i32.const 16))))"#
        ),
    )
}

/// Grows a table until that fails; ends with its size in units of 65536 entries.
pub(crate) fn table() -> Vec<u8> {
    module(
        &[EXIT],
        &format!(
            r#"{MEMORY} (table $t 1 funcref) (func (export "_start")
              (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1))))
              (call $proc_exit (i32.div_u (table.size $t) (i32.const 65536))))"#
        ),
    )
}

/// Opens `path` below the folder `fd`; ends with WASI's error number. `create`: for writing.
pub(crate) fn open(fd: u32, path: &str, create: bool) -> Vec<u8> {
    let kind = "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)";
    let (flags, rights) = if create { (1, 0x42) } else { (0, 2) };
    let length = path.len();
    module(
        &[("path_open", kind), EXIT],
        &format!(
            r#"{MEMORY} (data (i32.const 64) "{path}") (func (export "_start")
              (call $proc_exit (call $path_open (i32.const {fd}) (i32.const 1) (i32.const 64) (i32.const {length})
                (i32.const {flags}) (i64.const {rights}) (i64.const {rights}) (i32.const 0) (i32.const 0))))"#
        ),
    )
}

/// Makes a link `name` to `target` below the present folder; ends with WASI's error number.
pub(crate) fn link(target: &str, name: &str) -> Vec<u8> {
    let kind = "(param i32 i32 i32 i32 i32) (result i32)";
    let (to, long) = (target.len(), name.len());
    module(
        &[("path_symlink", kind), EXIT],
        &format!(
            r#"{MEMORY} (data (i32.const 64) "{target}") (data (i32.const 512) "{name}") (func (export "_start")
              (call $proc_exit (call $path_symlink (i32.const 64) (i32.const {to}) (i32.const 3)
                (i32.const 512) (i32.const {long}))))"#
        ),
    )
}

/// Writes to its output for ever.
pub(crate) fn flood() -> Vec<u8> {
    module(
        &[WRITE],
        &format!(
            r#"{MEMORY} (func (export "_start") (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 60000))
              (loop $l (br_if $l (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))))"#
        ),
    )
}

/// Ends with 0 if the clock shows this second, else with 1.
pub(crate) fn clock(seconds: u64) -> Vec<u8> {
    module(
        &[("clock_time_get", "(param i32 i64 i32) (result i32)"), EXIT],
        &format!(
            r#"{MEMORY} (func (export "_start") (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 0)))
              (call $proc_exit (i64.ne (i64.div_u (i64.load (i32.const 0)) (i64.const 1000000000)) (i64.const {seconds}))))"#
        ),
    )
}

/// Writes 16 random letters.
pub(crate) fn random() -> Vec<u8> {
    module(
        &[("random_get", "(param i32 i32) (result i32)"), WRITE],
        &format!(
            r#"{MEMORY} (data (i32.const 0) "\40\00\00\00\10\00\00\00") (func (export "_start") (local $i i32)
              (drop (call $random_get (i32.const 64) (i32.const 16)))
              (loop $l
                (i32.store8 (i32.add (i32.const 64) (local.get $i))
                  (i32.add (i32.const 97) (i32.and (i32.load8_u (i32.add (i32.const 64) (local.get $i))) (i32.const 15))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 16))))
              (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#
        ),
    )
}

/// Waits for so many seconds, in one call of the host.
pub(crate) fn wait(seconds: u64) -> Vec<u8> {
    let nanoseconds = seconds * 1_000_000_000;
    module(
        &[("poll_oneoff", "(param i32 i32 i32 i32) (result i32)")],
        &format!(
            r#"{MEMORY} (func (export "_start") (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const {nanoseconds}))
              (drop (call $poll_oneoff (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256))))"#
        ),
    )
}

/// Calls itself until there is no stack left.
pub(crate) fn recursion() -> Vec<u8> {
    module(
        &[],
        &format!(
            r#"{MEMORY} (func $f (param i64) (call $f (i64.add (local.get 0) (i64.const 1))) (drop (i32.load (i32.const 0))))
          (func (export "_start") (call $f (i64.const 0)))"#
        ),
    )
}

/// Traps at once.
pub(crate) fn trap() -> Vec<u8> {
    module(
        &[],
        &format!(r#"{MEMORY} (func (export "_start") unreachable)"#),
    )
}

/// So many functions, each with some work to compile.
pub(crate) fn functions(count: usize) -> Vec<u8> {
    let body =
        "(local.set 0 (i64.mul (local.get 0) (i64.rotl (local.get 0) (i64.const 7))))".repeat(60);
    let functions: String = (0..count)
        .map(|n| format!("(func $f{n} (param i64) (result i64) {body} (local.get 0))"))
        .collect();
    module(
        &[],
        &format!(r#"{MEMORY} {functions} (func (export "_start"))"#),
    )
}

/// A function with so many blocks in each other.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    // By hand: the text format's own parser has a limit below what is tried here.
    let mut body = vec![0_u8];
    body.extend([0x02, 0x40].repeat(depth));
    body.extend(vec![0x0b; depth + 1]);
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend([1, 4, 1, 0x60, 0, 0]);
    bytes.extend([3, 2, 1, 0]);
    bytes.extend([7, 10, 1, 6]);
    bytes.extend(b"_start");
    bytes.extend([0, 0]);
    let mut code = vec![1];
    code.extend(leb(body.len()));
    code.extend(body);
    bytes.push(10);
    bytes.extend(leb(code.len()));
    bytes.extend(code);
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Ends with 0 if the host refuses it a socket with "access denied"; traps otherwise.
pub(crate) fn socket() -> Vec<u8> {
    component(
        "(call $create (i32.const 0) (i32.const 16))
         (if (i32.ne (i32.load8_u (i32.const 16)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load8_u (i32.const 20)) (i32.const 1)) (then unreachable))
         (i32.const 0)",
    )
}

/// A component that asks for nothing and ends with this code.
pub(crate) fn quiet_component(code: i32) -> Vec<u8> {
    component(&format!("(i32.const {code})"))
}

fn component(body: &str) -> Vec<u8> {
    let errors = r#""unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
        "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
        "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
        "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure""#;
    binary(&format!(
        r#"(component
          (import "wasi:sockets/network@0.2.0" (instance $net
            (type $e (enum {errors})) (export "error-code" (type (eq $e)))
            (type $f (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $f)))))
          (alias export $net "error-code" (type $error))
          (alias export $net "ip-address-family" (type $family))
          (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
          (alias export $tcp "tcp-socket" (type $socket))
          (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $sockets
            (alias outer 1 $error (type $e0)) (export "error-code" (type $e1 (eq $e0)))
            (alias outer 1 $family (type $f0)) (export "ip-address-family" (type $f1 (eq $f0)))
            (alias outer 1 $socket (type $s0)) (export "tcp-socket" (type $s1 (eq $s0)))
            (export "create-tcp-socket" (func (param "address-family" $f1) (result (result (own $s1) (error $e1)))))))
          (core module $memory (memory (export "m") 1))
          (core instance $memory (instantiate $memory))
          (core func $create (canon lower (func $sockets "create-tcp-socket") (memory (core memory $memory "m"))))
          (core module $main
            (import "i" "create" (func $create (param i32 i32)))
            (import "i" "m" (memory 1))
            (func (export "run") (result i32) {body}))
          (core instance $main (instantiate $main
            (with "i" (instance (export "create" (func $create)) (export "m" (memory $memory "m"))))))
          (func $run (result (result)) (canon lift (core func $main "run")))
          (instance $out (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $out)))"#
    ))
}
