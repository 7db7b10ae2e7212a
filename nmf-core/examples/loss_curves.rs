//! Draws d(1, y) for the three losses: `cargo run -p nmf-core --example loss_curves -- docs/img/losses.svg`.

use nmf_core::Loss;
use std::fmt::Write;
use std::process::ExitCode;

// The drawing area in SVG units, and the ranges it shows.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 624.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 344.0;
const Y_MAX: f64 = 4.0;
const D_MAX: f64 = 4.0;
const FIRST: f64 = 0.05;

const STYLE: &str = "
  .paper { fill: #ffffff }
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .math { font: italic 15px Georgia, 'Times New Roman', serif }
  .axis { stroke: #59636e; fill: none }
  .grid { stroke: #d1d9e0; stroke-width: 0.7 }
  .curve { fill: none; stroke-width: 2.4; stroke-linejoin: round }
  .fro { stroke: #0969da } .kl { stroke: #1a7f37; stroke-dasharray: 9 4 } .is { stroke: #cf222e; stroke-dasharray: 2.5 3 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 }
    text { fill: #e6edf3 }
    .axis { stroke: #9198a1 }
    .grid { stroke: #3d444d }
    .fro { stroke: #58a6ff } .kl { stroke: #56d364 } .is { stroke: #ff7b72 }
  }
";

fn px(y: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * y / Y_MAX
}

fn py(d: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * d / D_MAX
}

/// The points of one curve as far as they lie in the picture.
fn points(loss: &Loss) -> String {
    let steps = 400;
    (0..=steps)
        .map(|i| FIRST + (Y_MAX - FIRST) * f64::from(i) / f64::from(steps))
        .map(|y| (y, loss.value(1.0, y)))
        .filter(|&(_, d)| d <= D_MAX)
        .map(|(y, d)| format!("{:.2},{:.2}", px(y), py(d)))
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn picture() -> Result<String, std::fmt::Error> {
    let mut s = String::new();
    writeln!(
        s,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 648 400" width="648" height="400" role="img">"#
    )?;
    writeln!(s, "<title>The losses d(1, y): Euclidean, Kullback–Leibler, Itakura–Saito</title>")?;
    writeln!(s, "<style>{STYLE}</style>")?;
    writeln!(s, r#"<rect class="paper" width="648" height="400" rx="6"/>"#)?;
    for i in 0..=8 {
        let (v, x, y) = (f64::from(i) * 0.5, px(f64::from(i) * 0.5), py(f64::from(i) * 0.5));
        writeln!(s, r#"<path class="grid" d="M{x:.1} {TOP}V{BOTTOM}M{LEFT} {y:.1}H{RIGHT}"/>"#)?;
        writeln!(s, r#"<path class="axis" d="M{x:.1} {BOTTOM}v5M{LEFT} {y:.1}h-5"/>"#)?;
        if i % 2 == 0 {
            writeln!(s, r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{v}</text>"#, BOTTOM + 21.0)?;
            writeln!(s, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{v}</text>"#, LEFT - 10.0, y + 5.0)?;
        }
    }
    writeln!(s, r#"<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>"#)?;
    let middle = 0.5 * (LEFT + RIGHT);
    writeln!(s, r#"<text class="math" x="{middle}" y="{}" text-anchor="middle">y</text>"#, BOTTOM + 44.0)?;
    let middle = 0.5 * (TOP + BOTTOM);
    writeln!(
        s,
        r#"<text class="math" transform="translate(22 {middle}) rotate(-90)" text-anchor="middle">d(1, y)</text>"#
    )?;
    let curves = [
        (Loss::FRO, "fro", "Euclidean: ½(1 − y)²"),
        (Loss::KL, "kl", "Kullback–Leibler: y − ln y − 1"),
        (Loss::IS, "is", "Itakura–Saito: 1/y + ln y − 1"),
    ];
    for (i, (loss, class, label)) in curves.iter().enumerate() {
        writeln!(s, r#"<polyline class="curve {class}" points="{}"/>"#, points(loss))?;
        let y = TOP + 24.0 + 24.0 * i as f64;
        writeln!(s, r#"<path class="curve {class}" d="M200 {y}h38"/><text x="248" y="{}">{label}</text>"#, y + 5.0)?;
    }
    writeln!(s, "</svg>")?;
    Ok(s)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(path), None) = (args.next(), args.next()) else {
        eprintln!("usage: loss_curves OUTPUT.svg");
        return ExitCode::from(2);
    };
    let written = picture().map_err(std::io::Error::other).and_then(|s| std::fs::write(&path, &s).map(|()| s.len()));
    match written {
        Ok(bytes) => {
            println!("{path}: {bytes} bytes, d(1, y) of fro, kl and is for y in [{FIRST}, {Y_MAX}]");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{path}: {e}");
            ExitCode::FAILURE
        }
    }
}
