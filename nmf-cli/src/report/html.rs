//! The page: plain HTML and CSS, nothing loaded, nothing run.

use super::typed::command_line;
use crate::pictures::{base64, escape, inlined, style, width_of};
use std::fmt::Write;

/// Nothing is fetched and no script runs, whatever a name in the data might try; pictures and sounds are part of the file.
const POLICY: &str = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";

const CSS: &str = include_str!("page.css");

/// An HTML page in the making. All texts are escaped.
pub(crate) struct Page {
    title: String,
    subtitle: String,
    /// Headings of the sections, for the table of contents.
    headings: Vec<String>,
    body: String,
    figures: Vec<(String, String)>,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(title: &str, subtitle: &str) -> Page {
        Page {
            title: escape(title),
            subtitle: escape(subtitle),
            headings: Vec::new(),
            body: String::new(),
            figures: Vec::new(),
        }
    }

    /// Adds a piece of HTML; writing to a string cannot fail.
    fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(piece);
        self.body.push('\n');
    }

    /// Key figures: a name and a value each.
    pub(crate) fn tiles(&mut self, tiles: &[(&str, String)]) {
        self.add(format_args!("<dl class=\"tiles\">"));
        for (name, value) in tiles {
            self.add(format_args!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)));
        }
        self.add(format_args!("</dl>"));
    }

    /// Starts a section, with an entry in the table of contents; `text`, if any, is its first paragraph.
    pub(crate) fn section(&mut self, heading: &str, text: &str) {
        if !self.headings.is_empty() {
            self.add(format_args!("</section>"));
        }
        self.headings.push(escape(heading));
        let (n, heading) = (self.headings.len(), escape(heading));
        self.add(format_args!("<section id=\"s{n}\">\n<h2>{heading}</h2>"));
        self.paragraph(text);
    }

    /// A paragraph; none for an empty text.
    pub(crate) fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.add(format_args!("<p>{}</p>", escape(text)));
        }
    }

    /// A picture; `name` is also its file name under --plots.
    pub(crate) fn figure(&mut self, name: &str, svg: String, caption: &str) {
        let name = self.free_name(name);
        let (inline, width) = (inlined(&svg, self.figures.len() + 1), width_of(&svg));
        let caption =
            if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>", escape(caption)) };
        self.add(format_args!(
            "<figure id=\"{name}\" class=\"w{width}\"><div class=\"picture\">{}</div>{caption}</figure>",
            inline.trim_end()
        ));
        self.figures.push((name, svg));
    }

    /// A name for a figure and its files: lower-case letters, digits and dashes, once in the page.
    fn free_name(&self, name: &str) -> String {
        let simple = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
        let base: String = name.chars().map(simple).collect();
        let base = if base.is_empty() { "figure".into() } else { base };
        let taken = |name: &str| self.figures.iter().any(|(n, _)| n == name);
        let numbered = (2..).map(|i| format!("{base}-{i}"));
        std::iter::once(base.clone()).chain(numbered).find(|n| !taken(n)).unwrap_or(base)
    }

    /// A table; the first column heads its row, and columns that hold only numbers are set to the right.
    pub(crate) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let numeric: Vec<bool> =
            (0..header.len()).map(|c| c > 0 && rows.iter().all(|r| r.get(c).is_none_or(|v| is_number(v)))).collect();
        let class = |c: usize| if numeric.get(c) == Some(&true) { " class=\"number\"" } else { "" };
        self.add(format_args!("<div class=\"wide\"><table>\n<thead><tr>"));
        for (c, name) in header.iter().enumerate() {
            self.add(format_args!("<th scope=\"col\"{}>{}</th>", class(c), escape(name)));
        }
        self.add(format_args!("</tr></thead>\n<tbody>"));
        for row in rows {
            let mut line = String::from("<tr>");
            for (c, cell) in row.iter().enumerate() {
                let (open, close) = if c == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
                line.push_str(&format!("<{open}{}>{}</{close}>", class(c), escape(cell)));
            }
            self.add(format_args!("{line}</tr>"));
        }
        self.add(format_args!("</tbody></table></div>"));
    }

    /// A sound with a player; `wav` is a WAV file.
    pub(crate) fn audio(&mut self, name: &str, wav: &[u8], caption: &str) {
        let (name, caption, sound) = (escape(name), escape(caption), base64(wav));
        self.add(format_args!(
            "<figure class=\"sound\"><figcaption><b>{name}</b> {caption}</figcaption><audio controls preload=\"metadata\" \
             aria-label=\"{name}\" src=\"data:audio/wav;base64,{sound}\"></audio></figure>"
        ));
    }

    /// What follows is folded away behind a line that opens it, up to [`Page::unfold`].
    pub(crate) fn fold(&mut self, summary: &str) {
        self.add(format_args!("<details><summary>{}</summary>", escape(summary)));
    }

    /// Ends what [`Page::fold`] began.
    pub(crate) fn unfold(&mut self) {
        self.add(format_args!("</details>"));
    }

    /// The settings, and the command line that does the same again.
    pub(crate) fn settings(&mut self, pairs: &[(String, String)]) {
        self.add(format_args!("<dl class=\"settings\">"));
        for (name, value) in pairs {
            self.add(format_args!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)));
        }
        self.add(format_args!("</dl>\n<p>The command that made this page (one click selects it):</p>"));
        self.add(format_args!("<pre id=\"command\"><code>{}</code></pre>", escape(&command_line())));
    }

    /// The pictures by their names.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.figures.iter().map(|(name, svg)| (name.as_str(), svg.as_str()))
    }

    /// The page as HTML.
    pub(crate) fn finish(self) -> String {
        let Page { title, subtitle, headings, body, .. } = self;
        let contents: String =
            headings.iter().enumerate().map(|(i, h)| format!("<li><a href=\"#s{}\">{h}</a></li>\n", i + 1)).collect();
        let contents = match headings.len() {
            0 | 1 => String::new(),
            _ => format!("<nav aria-label=\"Contents\"><ol>\n{contents}</ol></nav>\n"),
        };
        let end = if headings.is_empty() { "" } else { "</section>\n" };
        // key figures stand above the contents
        let (head, body) = body.split_at(body.find("<section id=\"s1\">").unwrap_or(body.len()));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"nmf-cli {version}\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{CSS}{pictures}\n</style>\n</head>\n\
             <body>\n<main>\n<header><h1>{title}</h1><p class=\"subtitle\">{subtitle}</p></header>\n{head}{contents}{body}{end}\
             <footer>nmf-cli {version}</footer>\n</main>\n</body>\n</html>\n",
            version = env!("CARGO_PKG_VERSION"),
            pictures = style(),
        )
    }
}

/// Whether a cell of a table is a number, perhaps with a unit, or nothing.
fn is_number(cell: &str) -> bool {
    let first = cell.trim_start_matches(['−', '-', '+', '<', '≤']).trim_start().chars().next();
    first.is_none_or(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_tags() {
        let evil = "<script>alert(1)</script> & \"x\"";
        let mut page = Page::new(evil, evil);
        page.tiles(&[(evil, evil.into())]);
        page.section(evil, evil);
        page.paragraph(evil);
        page.table(&[evil, "b"], &[vec![evil.into(), evil.into()]]);
        page.audio(evil, b"RIFF", evil);
        page.fold(evil);
        page.unfold();
        page.settings(&[(evil.into(), evil.into())]);
        page.figure(evil, String::from("<svg></svg>"), evil);
        let html = page.finish();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), 18);
        assert!(html.contains("id=\"-script-alert-1---script-----x-\""));
    }

    #[test]
    fn a_page_has_contents_and_its_figures_have_their_own_names() {
        let mut page = Page::new("t", "s");
        page.tiles(&[("rank", "3".into())]);
        for heading in ["One", "Two"] {
            page.section(heading, "");
            let clip = "<svg><clipPath id=\"clip1\"></clipPath><g clip-path=\"url(#clip1)\"></g></svg>";
            page.figure("Objective over time", clip.into(), "");
        }
        assert_eq!(page.figures().map(|f| f.0).collect::<Vec<_>>(), ["objective-over-time", "objective-over-time-2"]);
        let html = page.finish();
        for part in ["<a href=\"#s2\">Two</a>", "<section id=\"s2\">", "id=\"p1clip1\"", "url(#p2clip1)", POLICY] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.matches("<section").count(), html.matches("</section>").count());
        let order = ["class=\"tiles\"", "<nav", "<section id=\"s1\">"].map(|p| html.find(p).unwrap());
        assert!(order.is_sorted());
    }

    #[test]
    fn numbers_are_set_to_the_right() {
        let mut page = Page::new("", "");
        page.table(&["name", "value", "what"], &[vec!["1".into(), "−2.5 dB".into(), "x".into()]]);
        let html = page.finish();
        assert!(html.contains("<th scope=\"row\">1</th><td class=\"number\">−2.5 dB</td><td>x</td>"), "{html}");
    }
}
