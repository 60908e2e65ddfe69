//! `branches: {only, except}` (travis-core, `request/branches.rb`).

use crate::condition;
use crate::value::{Map, Value};

/// Whether the branch (for a tag, the tag's name) is to be built; the error is the reason against.
pub(super) fn check(config: &Map, branch: &str) -> Result<(), String> {
    let lists = config.get("branches").and_then(Value::as_map);
    let only = lists
        .and_then(|lists| lists.get("only"))
        .map(items)
        .filter(|items| !items.is_empty());
    let except = lists.and_then(|lists| lists.get("except")).map(items);
    match &only {
        Some(only) if !any_matches(only, branch)? => {
            return Err(format!(
                "branch {branch} is not among branches.only in .travis.yml"
            ));
        }
        None if is_pages(branch) => {
            return Err(format!(
                "branch {branch} holds pages; it is built only if branches.only in .travis.yml names it"
            ));
        }
        _ => {}
    }
    match &except {
        Some(except) if any_matches(except, branch)? => Err(format!(
            "branch {branch} is excluded by branches.except in .travis.yml"
        )),
        _ => Ok(()),
    }
}

/// Branch names and expressions; names may stand in one text, between commas.
fn items(value: &Value) -> Vec<&str> {
    let texts: Vec<&str> = match value {
        Value::Seq(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Str(text) => vec![text],
        _ => Vec::new(),
    };
    let split = |text: &'_ str| text.len() > 1 && text.starts_with('/') && text.ends_with('/');
    let parts = texts.into_iter().flat_map(|text| {
        if split(text) {
            vec![text]
        } else {
            text.split(',').collect()
        }
    });
    parts
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}

fn any_matches(items: &[&str], branch: &str) -> Result<bool, String> {
    for item in items {
        let regex = item
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        let matches = match regex {
            Some(regex) => condition::search(regex, branch)
                .map_err(|error| format!("branches in .travis.yml: {error}"))?,
            None => *item == branch,
        };
        if matches {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Branches that hold published pages.
fn is_pages(branch: &str) -> bool {
    let lower = branch.to_lowercase();
    lower.contains("gh-pages") || lower.contains("gh_pages")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Map {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_must_be_equal_and_expressions_are_searched() {
        let config = config(r#"{"branches": {"only": ["main", "/^v\\d/", "a, b"]}}"#);
        for branch in ["main", "v1.2", "a", "b"] {
            assert_eq!(check(&config, branch), Ok(()), "{branch}");
        }
        for branch in ["maintenance", "dev-v1", "gh-pages"] {
            assert!(check(&config, branch).is_err(), "{branch}");
        }
    }

    #[test]
    fn pages_need_to_be_named() {
        assert!(check(&Map::new(), "gh-pages").is_err());
        let config = config(r#"{"branches": {"only": ["gh-pages"]}}"#);
        assert_eq!(check(&config, "gh-pages"), Ok(()));
    }

    #[test]
    fn a_broken_expression_is_a_reason() {
        let config = config(r#"{"branches": {"except": ["/(/"]}}"#);
        assert!(
            check(&config, "main")
                .unwrap_err()
                .contains("invalid regular expression")
        );
    }
}
