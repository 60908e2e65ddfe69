//! travis.yml(5), made of the same tables that read the file.

use assay_plan::{KeyDoc, KeyGroup, key_reference};

/// Longest line of the page's source.
const WIDTH: usize = 78;

const HEAD: &str = "\
.\\\" Made by assay man --generate; what it says of keys is in plan/src/yml/schema.
.Dd November 22, 2026
.Dt TRAVIS.YML 5
.Os
.Sh NAME
.Nm travis.yml
.Nd what is built and how
.Sh DESCRIPTION
The file
.Pa .travis.yml
at the top of a repository says what Assay does for each push: which jobs
there are, on what they run, and their commands.
It is YAML, read as Travis CI reads it.
.Pp
.Bl -bullet -compact
.It
Numbers with a point stay as they are written:
.Li 3.10
is not
.Li 3.1 .
.It
Words like
.Li on
and
.Li yes
are text in lower case, and true or false with a capital letter.
.It
Anchors, aliases and
.Li <<
merge as usual; names that begin with _ or . are free to hold anchors.
.It
Where a list is wanted, one value is a list of one; where text is wanted, a
number or true will do.
.It
Keys that are misspelt, or written with a dash or capital letters, are taken
for the nearest one; unknown keys are kept, and do nothing.
.El
.Pp
.Xr assay-lint 1
says what it thinks of a file,
.Xr assay-expand 1
lists its jobs,
.Xr assay-script 1
shows what a job runs, and
.Xr assay-schema 1
makes editors know the keys.
.Pp
A
.Em secret
is
.Li secure:\\&
and text encrypted for the repository; plain text is taken too, and warned
about where everybody could read it.
A
.Em word
is one of the values listed.
";

const TAIL: &str = "\
.Sh SEE ALSO
.Xr assay 1 ,
.Xr assay-condition 1 ,
.Xr assay-expand 1 ,
.Xr assay-lint 1 ,
.Xr assay-schema 1 ,
.Xr assay-script 1 ,
.Xr assay.yml 5
";

/// The page in mdoc(7).
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    for group in key_reference() {
        write_group(&mut page, &group);
    }
    page.push_str(TAIL);
    page
}

fn write_group(page: &mut String, group: &KeyGroup) {
    page.push_str(&format!(".Sh {}\n", group.title.to_uppercase()));
    write_text(page, group.about);
    page.push_str(".Bl -tag -width Ds\n");
    for key in &group.keys {
        write_key(page, key);
    }
    page.push_str(".El\n.Pp\nFor example:\n.Bd -literal -offset indent\n");
    for line in group.example.lines() {
        page.push_str(&format!("{}\n", escaped(line)));
    }
    page.push_str(".Ed\n");
}

fn write_key(page: &mut String, key: &KeyDoc) {
    page.push_str(&format!(".It Cm {}\n", key.path));
    write_text(page, &format!("{}: {}", key.kind, key.about));
    if !key.values.is_empty() {
        let value = |(name, aliases): &(&str, &[&str])| match aliases {
            [] => (*name).to_owned(),
            aliases => format!("{name} (also {})", aliases.join(", ")),
        };
        let values: Vec<String> = key.values.iter().map(value).collect();
        write_text(page, &format!("Values: {}.", values.join(", ")));
    }
    if let Some(default) = &key.default {
        write_text(page, &format!("Default: {default}."));
    }
    if !key.aliases.is_empty() {
        write_text(page, &format!("Also written {}.", key.aliases.join(", ")));
    }
    if let Some(only) = &key.only {
        write_text(page, &format!("Only for {only}."));
    }
    if let Some(why) = key.deprecated {
        write_text(page, &format!("Deprecated: {}.", why.trim_end_matches('.')));
    }
}

/// Running text, each sentence on lines of its own.
fn write_text(page: &mut String, text: &str) {
    let text = text.replace('`', "");
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            flush(page, &mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if word.ends_with(['.', '?']) && word.len() > 1 {
            flush(page, &mut line);
        }
    }
    flush(page, &mut line);
}

fn flush(page: &mut String, line: &mut String) {
    if !line.is_empty() {
        page.push_str(&format!("{}\n", escaped(line)));
        line.clear();
    }
}

/// What roff would take for its own is marked as text.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e");
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys of the page in the tree, whoever made it.
    fn documented() -> BTreeSet<String> {
        include_str!("../../../../man/travis.yml.5")
            .lines()
            .filter_map(|line| line.strip_prefix(".It Cm "))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_page_has_every_key_and_no_other() {
        let known: BTreeSet<String> = key_reference()
            .into_iter()
            .flat_map(|group| group.keys)
            .map(|key| key.path)
            .collect();
        assert_eq!(documented(), known);
    }

    #[test]
    fn the_page_names_every_language_and_provider() {
        let page = include_str!("../../../../man/travis.yml.5");
        for key in key_reference().into_iter().flat_map(|group| group.keys) {
            if matches!(
                key.path.as_str(),
                "language" | "deploy.provider" | "services"
            ) {
                assert!(key.values.len() > 10, "{}", key.path);
                for (name, _) in key.values {
                    assert!(page.contains(name), "{name}");
                }
            }
        }
    }

    #[test]
    fn no_line_is_taken_for_a_macro() {
        assert_eq!(escaped(".travis.yml \\"), "\\&.travis.yml \\e");
        let mut page = String::new();
        write_text(&mut page, "One. Two `x`.");
        assert_eq!(page, "One.\nTwo x.\n");
    }
}
