//! The nearest of some words to a misspelt one.
//!
//! Rules: travis-ci/travis-yml, `doc/helper/match.rb`.

/// Characters of a word beyond which it can be nobody's misspelling.
const LONGEST: usize = 64;

/// The word of `words` that `word` was meant to be, if any is near enough. An equal word is no misspelling.
pub(super) fn nearest(words: &[&'static str], word: &str) -> Option<&'static str> {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() < 3 || letters.len() > LONGEST || words.contains(&word) {
        return None;
    }
    let mut near: Vec<(usize, &'static str)> = words
        .iter()
        .filter_map(|other| {
            let limit = limit(letters.len(), other.len());
            if 2 * letters.len().abs_diff(other.len()) >= limit {
                return None;
            }
            let gap = distance(&letters, other);
            (2 * gap < limit).then_some((gap, *other))
        })
        .collect();
    near.sort_by_key(|(gap, _)| *gap);
    if near.is_empty() && letters.len() < 6 {
        near.extend(
            words
                .iter()
                .find(|other| is_anagram(&letters, other))
                .map(|other| (1, *other)),
        );
    }
    if is_tied(&near) {
        let shared = |other: &str| {
            distinct(&letters)
                .filter(|letter| other.contains(*letter))
                .count()
        };
        near = near
            .into_iter()
            .map(|(_, other)| (shared(other), other))
            .collect();
        near.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    }
    if is_tied(&near) {
        near.sort_by_key(|(_, other)| std::cmp::Reverse(other.len()));
    }
    near.first()
        .map(|(_, other)| *other)
        .filter(|other| !is_stopped(word, other))
}

/// The word that looks most like this one, for a suggestion: more generous than [`nearest`], as nothing is changed by it.
pub(super) fn closest(
    words: impl IntoIterator<Item = &'static str>,
    word: &str,
) -> Option<&'static str> {
    let letters: Vec<char> = word.to_lowercase().chars().collect();
    if letters.len() < 3 || letters.len() > LONGEST {
        return None;
    }
    let near = |other: &'static str| {
        let gap = distance(&letters, other);
        (gap > 0 && 3 * gap <= letters.len().max(other.len())).then_some((gap, other))
    };
    words
        .into_iter()
        .filter_map(near)
        .min()
        .map(|(_, word)| word)
}

fn is_stopped(from: &str, to: &str) -> bool {
    super::schema::is_stop_word(from) || to == "elm_test"
}

fn is_tied(near: &[(usize, &'static str)]) -> bool {
    matches!(near, [(first, _), (second, _), ..] if first == second)
}

/// Twice the distance that a word may not reach: half of the shorter one, at most 4.
fn limit(left: usize, right: usize) -> usize {
    left.min(right).min(8)
}

fn distinct(letters: &[char]) -> impl Iterator<Item = char> + '_ {
    letters
        .iter()
        .enumerate()
        .filter(|(place, letter)| !letters[..*place].contains(letter))
        .map(|(_, letter)| *letter)
}

fn is_anagram(letters: &[char], other: &str) -> bool {
    let sorted = |mut letters: Vec<char>| {
        letters.sort_unstable();
        letters
    };
    letters.len() == other.len() && sorted(letters.to_vec()) == sorted(other.chars().collect())
}

/// Levenshtein's distance.
fn distance(left: &[char], right: &str) -> usize {
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (line, letter) in right.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for place in 1..row.len() {
            let change = diagonal + usize::from(left[place - 1] != letter);
            diagonal = row[place];
            row[place] = change.min(diagonal + 1).min(row[place - 1] + 1);
        }
    }
    row[left.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_word() {
        let words = &[
            "language",
            "install",
            "before_install",
            "script",
            "before_script",
        ];
        assert_eq!(nearest(words, "langauge"), Some("language"));
        assert_eq!(nearest(words, "before_instal"), Some("before_install"));
        assert_eq!(nearest(words, "scirpt"), Some("script"));
        assert_eq!(nearest(words, "script"), None);
        assert_eq!(nearest(words, "quite_another"), None);
        assert_eq!(nearest(words, "os"), None);
    }
}
