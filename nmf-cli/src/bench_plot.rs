//! The picture of `bench`: a bar per case and backend, on a logarithmic axis.

use crate::bench::Case;
use plotters::prelude::*;

const CPU: RGBColor = RGBColor(0x3b, 0x6f, 0xb6);
const GPU: RGBColor = RGBColor(0xe0, 0x7b, 0x39);

/// Milliseconds per iteration of all cases, as SVG.
pub(crate) fn bars(cases: &[Case], adapter: Option<&str>) -> Result<String, Box<dyn std::error::Error>> {
    let times = || cases.iter().flat_map(|c| [c.cpu, c.gpu]).flatten().filter(|t| *t > 0.0);
    let low = times().fold(f64::INFINITY, f64::min);
    let high = times().fold(0.0, f64::max);
    if !low.is_finite() {
        return Err("there is nothing to draw".into());
    }
    let (low, high) = (low / 2.0, high * 2.0);
    let mut svg = String::new();
    {
        let size = (880, 90 + 34 * cases.len() as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption("milliseconds per iteration (less is better)", ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(210)
            .build_cartesian_2d((low..high).log_scale(), -0.5..cases.len() as f64 - 0.5)?;
        // the axis counts cases from the bottom; only whole numbers are cases
        let n = cases.len();
        let label = |y: &f64| {
            let case = (y.fract() == 0.0).then(|| cases.get(n.wrapping_sub(1 + *y as usize))).flatten();
            case.map_or(String::new(), |c| c.name.clone())
        };
        chart.configure_mesh().disable_y_mesh().y_labels(n).y_label_formatter(&label).draw()?;
        for (backend, colour, offset) in [("CPU", CPU, 0.02), ("GPU", GPU, -0.36)] {
            let bars = cases.iter().enumerate().filter_map(|(i, c)| {
                let time = if backend == "CPU" { c.cpu } else { c.gpu };
                let y = (n - 1 - i) as f64 + offset;
                time.map(|t| Rectangle::new([(low, y), (t, y + 0.34)], colour.filled()))
            });
            let drawn = chart.draw_series(bars)?;
            let name = adapter.filter(|_| backend == "GPU").map_or(backend.to_string(), |a| format!("GPU: {a}"));
            if backend == "CPU" || adapter.is_some() {
                drawn.label(name).legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
            }
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).draw()?;
        root.present()?;
    }
    Ok(svg)
}
