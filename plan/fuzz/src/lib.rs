//! What the fuzz targets try; the project's own tests try the same on inputs that were found once.

mod checks;
#[path = "../../tests/language/nouns.rs"]
mod nouns;

/// Reading and normalising.
pub fn yaml(bytes: &[u8]) {
    checks::yaml(bytes);
}

/// Expansion.
pub fn expand(bytes: &[u8]) {
    checks::expand(bytes);
}

/// Conditions.
pub fn condition(bytes: &[u8]) {
    checks::condition(bytes);
}

/// Job scripts.
pub fn script(bytes: &[u8]) {
    checks::script(bytes);
}
