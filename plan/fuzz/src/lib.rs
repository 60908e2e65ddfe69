//! What the fuzz targets try; the project's own tests try the same on inputs that were found once.

pub mod checks;
#[path = "../../tests/language/nouns.rs"]
mod nouns;
