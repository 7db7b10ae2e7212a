//! A page of SVG written by hand: shapes and text on a paper that follows the reader's light or dark screen.

use super::raster::Raster;
use std::fmt::{Display, Write};

/// Width of pictures with much in them, in the units of their shapes.
pub(super) const WIDTH: f64 = 680.0;
/// Width of charts: two stand side by side on a desk, one fills a phone.
pub(super) const NARROW: f64 = 440.0;
/// Width of small pictures that come by the dozen.
pub(super) const CARD: f64 = 340.0;
/// Left edge of titles and captions.
pub(super) const MARGIN: f64 = 14.0;
/// Classes `c0` to `c7`: colours of things that are told apart.
pub(super) const COLOURS: usize = 8;

/// Colours and type of every picture, on light paper.
const LIGHT: &str = "text{font:13px system-ui,-apple-system,'DejaVu Sans',sans-serif;fill:#1f2328}\
    text.title{font-size:17px;font-weight:600}text.head{font-weight:600}text.quiet{font-size:12px;fill:#59636e}\
    .paper{fill:#fff}.void{fill:#d0d7de}.plot{fill:#f6f8fa}.grid{stroke:#d8dee4;fill:none}.frame{stroke:#8c959f;fill:none}\
    .shade{fill:#bf8700;fill-opacity:.18}.bar{fill:#8c959f;fill-opacity:.55}.mark{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:5 3;fill:none}\
    .sum{stroke:#1f2328;stroke-width:5;stroke-opacity:.4;fill:none}.line{stroke:currentColor;stroke-width:2;fill:none}.area{fill:currentColor;fill-opacity:.8}\
    .broken{stroke-dasharray:7 4}.band{fill:currentColor;fill-opacity:.16}.cell{fill:currentColor}.touch{fill:transparent}.faint{stroke-opacity:.5}.strong{stroke-width:4}\
    .dots{stroke:currentColor;stroke-width:3.4;stroke-linecap:round;stroke-opacity:.5;fill:none}.cross{stroke:#1f2328;stroke-width:2.2;fill:none}\
    .c0{color:#0969da}.c1{color:#bc4c00}.c2{color:#1a7f37}.c3{color:#8250df}.c4{color:#cf222e}.c5{color:#9a6700}.c6{color:#0e7490}.c7{color:#bf3989}";
/// The same where the reader's screen is dark.
const DARK: &str = "@media (prefers-color-scheme:dark){text{fill:#e6edf3}text.quiet{fill:#9198a1}\
    .paper{fill:#0d1117}.void{fill:#30363d}.plot{fill:#161b22}.grid{stroke:#2a313a}.frame{stroke:#6e7681}\
    .shade{fill:#e3b341;fill-opacity:.2}.bar{fill:#6e7681;fill-opacity:.7}.mark{stroke:#ff7b72}.sum{stroke:#e6edf3}.cross{stroke:#e6edf3}\
    .c0{color:#58a6ff}.c1{color:#f0883e}.c2{color:#56d364}.c3{color:#bc8cff}.c4{color:#ff7b72}.c5{color:#e3b341}.c6{color:#39c5cf}.c7{color:#f778ba}}";

/// The style that every picture carries, for pages that hold several.
pub(crate) fn style() -> String {
    format!("{LIGHT}{DARK}")
}

/// A picture as part of a page that has [`style`]; `number` tells its clip paths from those of the page's other pictures.
pub(crate) fn inlined(svg: &str, number: usize) -> String {
    // texts hold no quotes, so that none of these can be in one
    svg.replace(&format!("<style>{LIGHT}{DARK}</style>\n"), "")
        .replace("<clipPath id=\"", &format!("<clipPath id=\"p{number}"))
        .replace("clip-path=\"url(#", &format!("clip-path=\"url(#p{number}"))
}

/// The width of a picture in its own units.
pub(crate) fn width_of(svg: &str) -> usize {
    let from = svg.split_once("viewBox=\"0 0 ").map_or("", |s| s.1);
    from.split(' ').next().and_then(|w| w.parse::<f64>().ok()).map_or(WIDTH as usize, |w| w as usize)
}

/// A picture on light paper whatever the screen: for those who read no media queries.
pub(crate) fn on_light_paper(svg: &str) -> String {
    svg.replace(DARK, "")
}

/// Where a text lies about its point.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn attribute(self) -> &'static str {
        match self {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        }
    }
}

/// A coordinate with one decimal; what is no number lies at 0.
pub(super) struct At(pub(super) f64);

impl Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v = if self.0.is_finite() { (self.0.clamp(-1e5, 1e5) * 10.0).round() / 10.0 } else { 0.0 };
        // −0 is 0
        write!(f, "{}", v + 0.0)
    }
}

/// A picture in the making.
pub(super) struct Page {
    title: String,
    body: String,
    clips: usize,
    /// How wide it is.
    pub(super) width: f64,
    /// The first line below what has been drawn.
    pub(super) y: f64,
}

impl Page {
    /// An empty page with a title on top.
    pub(super) fn new(title: &str) -> Page {
        Page::sized(title, WIDTH)
    }

    /// An empty page of this width.
    pub(super) fn sized(title: &str, width: f64) -> Page {
        let mut page = Page { title: escape(title), body: String::new(), clips: 0, width, y: 40.0 };
        page.text((MARGIN, 24.0), Anchor::Start, "title", &short(title, (width / 10.3) as usize));
        page
    }

    /// Adds a piece of SVG; writing to a string cannot fail.
    fn add(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(piece);
        self.body.push('\n');
    }

    /// A text whose middle line runs through the point.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let (class, anchor, text) = (class_attribute(class), anchor.attribute(), escape(text));
        self.add(format_args!("<text x=\"{}\" y=\"{}\" dy=\".35em\"{class}{anchor}>{text}</text>", At(x), At(y)));
    }

    /// A text that reads upwards.
    pub(super) fn upwards(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let (class, anchor, text) = (class_attribute(class), anchor.attribute(), escape(text));
        let (x, y) = (At(x), At(y));
        self.add(format_args!(
            "<text transform=\"translate({x} {y}) rotate(-90)\" dy=\".35em\"{class}{anchor}>{text}</text>"
        ));
    }

    /// A line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (class, a, b) = (class_attribute(class), At(from.0), At(from.1));
        self.add(format_args!("<path d=\"M{a} {b}L{} {}\"{class}/>", At(to.0), At(to.1)));
    }

    /// A shape by its path, with a text for the pointer that rests on it.
    pub(super) fn path(&mut self, d: &str, class: &str, hover: &str) {
        let (class, hover) = (class_attribute(class), hover_element(hover));
        self.add(format_args!("<path d=\"{d}\"{class}>{hover}</path>"));
    }

    /// A rectangle by its left upper corner and its size.
    pub(super) fn rect(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), class: &str, hover: &str) {
        let (class, hover) = (class_attribute(class), hover_element(hover));
        let (x, y, w, h) = (At(x), At(y), At(w.max(0.0)), At(h.max(0.0)));
        self.add(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{class}>{hover}</rect>"));
    }

    /// A rectangle that covers as much of what is below it as `share` says.
    pub(super) fn shade(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), class: &str, share: f64, hover: &str) {
        let (class, hover) = (class_attribute(class), hover_element(hover));
        let (x, y, w, h) = (At(x), At(y), At(w.max(0.0)), At(h.max(0.0)));
        let share = (share.clamp(0.0, 1.0) * 100.0).round() / 100.0;
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill-opacity=\"{share}\"{class}>{hover}</rect>"
        ));
    }

    /// A raster stretched over a rectangle.
    pub(super) fn image(&mut self, at: (f64, f64), (w, h): (f64, f64), raster: &Raster, hover: &str) {
        self.photo(at, (w, h), &raster.data_uri(), (raster.width as f64) < w, hover);
    }

    /// A picture from an address (of data), stretched over a rectangle.
    pub(super) fn photo(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), uri: &str, enlarged: bool, hover: &str) {
        let hover = hover_element(hover);
        // enlarged cells stay cells; what is shrunk is smoothed
        let style = if enlarged { " style=\"image-rendering:pixelated\"" } else { "" };
        let (x, y, w, h) = (At(x), At(y), At(w), At(h));
        self.add(format_args!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\"{style} href=\"{uri}\">{hover}</image>"
        ));
    }

    /// Whatever `draw` draws shows within this rectangle only.
    pub(super) fn clipped(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), draw: impl FnOnce(&mut Page)) {
        self.clips += 1;
        let id = self.clips;
        let (x, y, w, h) = (At(x), At(y), At(w), At(h));
        self.add(format_args!(
            "<clipPath id=\"clip{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath><g clip-path=\"url(#clip{id})\">"
        ));
        draw(self);
        self.add(format_args!("</g>"));
    }

    /// A quiet text below everything, over as many lines as it needs.
    pub(super) fn caption(&mut self, text: &str) {
        let most = (self.width / 6.9) as usize;
        let mut line = String::new();
        for word in text.split_whitespace().chain([""]) {
            if word.is_empty() || line.chars().count() + word.chars().count() > most {
                self.y += 16.0;
                self.text((MARGIN, self.y - 8.0), Anchor::Start, "quiet", &line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&short(word, most.saturating_sub(2)));
        }
    }

    /// The SVG, as high as what has been drawn.
    pub(super) fn finish(self) -> String {
        let (w, h, title, body) = (At(self.width), At((self.y + 10.0).ceil()), &self.title, &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" style=\"max-width:100%;height:auto\">\n\
             <title>{title}</title>\n<style>{LIGHT}{DARK}</style>\n<rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>\n{body}</svg>\n"
        )
    }
}

fn class_attribute(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") }
}

fn hover_element(hover: &str) -> String {
    if hover.is_empty() { String::new() } else { format!("<title>{}</title>", escape(hover)) }
}

/// Text that XML and HTML accept.
pub(crate) fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // noncharacters and controls have no place in XML
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// At most `most` characters.
pub(super) fn short(s: &str, most: usize) -> String {
    if s.chars().count() <= most {
        return s.to_string();
    }
    let mut out: String = s.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// About how wide a text of ordinary size is; no font is at hand to measure with.
pub(super) fn width(s: &str) -> f64 {
    s.chars().map(letter).sum()
}

fn letter(c: char) -> f64 {
    match c {
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 12.7,
        c if u32::from(c) >= 0x1100 => 13.0,
        c if c.is_uppercase() => 9.6,
        _ => 7.6,
    }
}

/// As much of a text as fits into a room.
pub(super) fn within(s: &str, room: f64) -> String {
    if width(s) <= room {
        return s.to_string();
    }
    let mut left = room - letter('…');
    let fits = |c: &char| {
        left -= letter(*c);
        left >= 0.0
    };
    s.chars().take_while(fits).chain(['…']).collect()
}
