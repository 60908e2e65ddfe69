//! What each key is for, in a sentence: for the JSON Schema and for travis.yml(5). The sentences are in `words.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Sentences by path or name.
static WORDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    include_str!("words.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .collect()
});

/// The sentence about a key at a path; empty if none was written, which a test refuses.
pub(super) fn about(path: &str) -> &'static str {
    let find = |wanted: &str| WORDS.get(wanted).copied();
    // Entries of `jobs` have the keys of a job, and all providers share what stands under `deploy` itself.
    let of_job = ["jobs.include.", "jobs.exclude.", "jobs.allow_failures."]
        .iter()
        .find_map(|section| path.strip_prefix(section));
    let name = path.rsplit('.').next().unwrap_or(path);
    let of_section = || {
        let (first, rest) = of_job.unwrap_or(path).split_once('.')?;
        let (_, rest) = rest.split_once('.')?;
        find(&format!("{first}.{rest}"))
    };
    find(path)
        .or_else(|| find(of_job?))
        .or_else(of_section)
        .or_else(|| find(name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_sentence_is_about_nothing_and_none_is_there_twice() {
        let known: HashSet<&str> = super::super::reference()
            .into_iter()
            .flat_map(|group| group.keys)
            .map(|key| key.about)
            .collect();
        let lines = include_str!("words.txt").lines();
        let sentences = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(sentences.count(), WORDS.len());
        let unused: Vec<_> = WORDS
            .iter()
            .filter(|(_, words)| !known.contains(**words))
            .collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
