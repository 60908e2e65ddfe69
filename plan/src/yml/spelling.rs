//! Misspelt keys that no rule of likeness finds.

/// The key that a known misspelling means.
pub(super) fn correct(_name: &str) -> Option<&'static str> {
    None
}
