//! Mails and posts: header lines, quotations, signatures.

use crate::options::{Strip, TextOptions};

/// The name of a header line such as `Subject: …` (RFC 822: printable characters but no space or colon).
fn header_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())).then_some(name)
}

fn blank(line: &str) -> bool {
    line.trim_end_matches(['\n', '\r']).is_empty()
}

/// Splits behind the first blank line; `None` without one.
fn split_head(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if blank(line) && at > 0 {
            return Some((&text[..at], &text[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// True when the first line that continues no other is a header line. (Some posts have lost the line that
/// their first one continues.)
fn has_headers(text: &str) -> bool {
    let first = text.lines().take_while(|l| !blank(l)).find(|l| !l.starts_with([' ', '\t']));
    first.is_some_and(|l| header_name(l).is_some())
}

/// Appends `text` to `out` with only the header lines of the names given.
fn keep_headers(text: &str, names: &[String], out: &mut String) {
    if !has_headers(text) {
        out.push_str(text);
        return;
    }
    let (head, body) = split_head(text).unwrap_or((text, ""));
    let keep = |line: &&str| header_name(line).is_some_and(|name| names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    head.split_inclusive('\n').filter(keep).for_each(|line| out.push_str(line));
    out.push('\n');
    out.push_str(body);
}

/// The expression scikit-learn looks for is
/// `(writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>)`.
fn quoting(line: &str) -> bool {
    ["In article", "Quoted from", "|", ">"].iter().any(|s| line.starts_with(s))
        || ["writes in", "writes:", "wrote:", "says:", "said:"].iter().any(|s| line.contains(s))
}

/// Cuts at the last line that is blank or only hyphens, unless that is the first line.
fn without_footer(text: &str) -> &str {
    let text = text.trim();
    let mut end = text.len();
    for line in text.rsplit('\n') {
        let start = end - line.len();
        if line.trim().trim_matches('-').is_empty() {
            return if start > 0 { &text[..start - 1] } else { text };
        }
        end = start.saturating_sub(1);
    }
    text
}

/// True when [`prepare`] would only copy.
pub(crate) fn leaves_as_is(options: &TextOptions) -> bool {
    options.keep_headers.is_none() && options.strip == Strip::default()
}

/// Appends what the options leave of `text` to `out`; cuts headers, footers, quotations, in this order.
pub(crate) fn prepare(text: &str, options: &TextOptions, out: &mut String) {
    let Strip { headers, quotes, footers } = options.strip;
    let mut rest = text;
    let mut kept = String::new();
    if let Some(names) = &options.keep_headers {
        keep_headers(text, names, &mut kept);
        rest = &kept;
    } else if headers && has_headers(text) {
        rest = split_head(text).map_or("", |(_, body)| body);
    }
    if footers {
        rest = without_footer(rest);
    }
    if quotes {
        rest.split_inclusive('\n').filter(|line| !quoting(line)).for_each(|line| out.push_str(line));
    } else {
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str =
        "From: a@b\nOrganization: X\nsubject: one\n two\nLines: 3\n\nIn article 1 Z writes:\n> old\nnew\n\n--\nme\n";

    fn prepared(text: &str, keep: Option<&[&str]>, strip: &str) -> String {
        let keep_headers = keep.map(|k| k.iter().map(|s| s.to_string()).collect());
        let options = TextOptions { keep_headers, strip: strip.parse().unwrap(), ..Default::default() };
        let mut out = String::new();
        prepare(text, &options, &mut out);
        out
    }

    #[test]
    fn headers() {
        let out = prepared(POST, Some(&["From", "Subject"]), "");
        assert_eq!(out, "From: a@b\nsubject: one\n\nIn article 1 Z writes:\n> old\nnew\n\n--\nme\n");
        assert_eq!(prepared("no header here\n\nFrom: x", Some(&["From"]), ""), "no header here\n\nFrom: x");
        assert_eq!(prepared("From: x\r\nTo: y\r\n\r\nbody", Some(&["To"]), ""), "To: y\r\n\nbody");
        assert_eq!(prepared("", Some(&["To"]), ""), "");
        assert!(prepared(POST, None, "headers").starts_with("In article"));
    }

    #[test]
    fn quotes_and_footers() {
        assert_eq!(prepared(POST, None, "headers,quotes"), "new\n\n--\nme\n");
        assert_eq!(prepared(POST, None, "headers,quotes,footers"), "new\n");
        assert_eq!(prepared("a\n\n> b", None, "footers,quotes"), "a", "the footer goes first");
        assert_eq!(prepared("a\nb", None, "footers"), "a\nb");
        assert_eq!(prepared("--\nb", None, "footers"), "--\nb");
        assert_eq!(prepared("", None, "footers"), "");
        assert_eq!(prepared("ä\n \nö", None, "footers"), "ä");
    }
}
