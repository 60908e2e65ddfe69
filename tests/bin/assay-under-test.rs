//! The `assay` binary again, for the end-to-end tests: cargo offers a binary's path only to tests of its own package.

fn main() -> std::process::ExitCode {
    assay::main()
}
