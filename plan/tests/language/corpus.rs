//! Agreement with the official parser on real files; needs a folder of cases, named by `ASSAY_CORPUS`.
//!
//! Without it the test says that it was skipped. `tests/bench/corpus` prints the same and more.

#[path = "../../examples/corpus/agreement.rs"]
mod agreement;

use std::io::Write as _;
use std::path::PathBuf;

#[test]
fn agrees_with_the_official_parser() {
    let folder = std::env::var_os("ASSAY_CORPUS")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir());
    let Some(folder) = folder else {
        drop(std::io::stderr().write_all(b"\nSKIP corpus: ASSAY_CORPUS names no folder\n"));
        return;
    };
    let mut counts = agreement::agreement(&folder);
    counts.extend(agreement::conditions(&folder));
    counts.iter().for_each(agreement::Count::print);
    assert!(
        counts.iter().all(agreement::Count::is_enough),
        "agreement is below its target"
    );
}
