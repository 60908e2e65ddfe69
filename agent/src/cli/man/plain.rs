//! Shows a page where neither man(1) nor mandoc(1) is installed: enough of man(7) for our own pages.

/// The page as plain text.
pub(super) fn render(page: &str) -> String {
    let mut out = String::new();
    let mut indent = 0;
    let mut tag = false;
    let mut paragraph = String::new();
    for line in page.lines() {
        let Some(control) = line.strip_prefix('.') else {
            let text = unescape(line);
            if tag {
                flush(&mut paragraph, indent, &mut out);
                out.push_str(&format!("       {text}\n"));
                tag = false;
            } else {
                paragraph.push_str(&text);
                paragraph.push(' ');
            }
            continue;
        };
        let (name, rest) = control.split_once(' ').unwrap_or((control, ""));
        match name {
            "SH" => {
                flush(&mut paragraph, indent, &mut out);
                out.push_str(&format!("\n{}\n", unescape(rest.trim_matches('"'))));
                indent = 7;
            }
            "TP" => {
                flush(&mut paragraph, indent, &mut out);
                indent = 14;
                tag = true;
            }
            "PP" | "RS" | "RE" | "IP" | "br" => {
                flush(&mut paragraph, indent, &mut out);
                if name == "PP" {
                    indent = 7;
                    out.push('\n');
                }
            }
            "TH" => out.push_str(&format!("{}\n", unescape(&rest.replace('"', "")))),
            _ => {}
        }
    }
    flush(&mut paragraph, indent, &mut out);
    out
}

/// Writes out a paragraph, filled.
fn flush(paragraph: &mut String, indent: usize, out: &mut String) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        if column > 0 && column + 1 + word.len() > 78 {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    if column > 0 {
        out.push('\n');
    }
    paragraph.clear();
}

/// Takes out fonts and the escapes of special characters.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('f') => {
                chars.next();
            }
            Some('(') => {
                let name: String = chars.by_ref().take(2).collect();
                out.push(match name.as_str() {
                    "bu" => '*',
                    "aq" => '\'',
                    _ => ' ',
                });
            }
            Some('*') => {
                chars.by_ref().take(3).for_each(drop);
                out.push('\'');
            }
            Some('&') | None => {}
            Some('e') => out.push('\\'),
            Some(other) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_readable_without_tools() {
        let page = ".TH ASSAY 1\n.SH NAME\nassay \\- it\\*(Aqs one\n.SH OPTIONS\n.TP\n\\fB\\-\\-json\\fR\nPrint\nJSON.\n.PP\nEnd\n";
        assert_eq!(
            render(page),
            "ASSAY 1\n\nNAME\n       assay - it's one\n\nOPTIONS\n       --json\n              Print JSON.\n\n       End\n"
        );
    }

    #[test]
    fn no_page_shows_its_source() {
        let pages = super::super::made();
        for page in pages.iter().filter(|page| page.file.ends_with(".1")) {
            let text = render(&page.text);
            assert!(
                !text.contains("\\f") && !text.contains("\n."),
                "{}:\n{text}",
                page.file
            );
        }
    }
}
