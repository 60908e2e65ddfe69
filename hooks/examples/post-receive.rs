//! The hook's process on its own, as the `assay` binary dispatches to it; the tests have Git run it.

fn main() -> std::process::ExitCode {
    assay_hooks::post_receive(std::env::args_os().skip(2))
}
