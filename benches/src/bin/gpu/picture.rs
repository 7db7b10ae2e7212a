//! The roofline picture: arithmetic intensity against rate, under both ceilings.

use crate::report::digits;
use crate::work::Record;
use nmf_gpu::Ceilings;
use plotters::prelude::*;

const LOSSES: [(&str, RGBColor); 4] = [
    ("fro", RGBColor(31, 119, 180)),
    ("kl", RGBColor(214, 39, 40)),
    ("is", RGBColor(44, 160, 44)),
    ("beta:1.5", RGBColor(148, 103, 189)),
];

/// Dense iterations on the GPU as SVG; larger marks are larger matrices.
pub(crate) fn roofline(records: &[Record], c: &Ceilings, adapter: &str) -> Result<String, Box<dyn std::error::Error>> {
    let shown = || records.iter().filter(|r| r.device == "gpu" && r.what == "iteration" && r.x.stored.is_none());
    let rate = |r: &Record| r.work.flops / r.seconds;
    let intensity = |r: &Record| r.work.flops / r.work.bytes;
    let low = shown().map(intensity).fold(1.0, f64::min) / 2.0;
    let high = shown().map(intensity).fold(c.fma_flops / c.copy_bytes, f64::max) * 2.0;
    let bottom = shown().map(rate).fold(low * c.copy_bytes, f64::min) / 2.0;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (880, 560)).into_drawing_area();
        area.fill(&WHITE)?;
        let title = format!(
            "{adapter}: {} TFLOP/s, {} GB/s; multiplicative iterations",
            digits(c.fma_flops / 1e12),
            digits(c.copy_bytes / 1e9)
        );
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d((low..high).log_scale(), (bottom..c.fma_flops * 2.0).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("flop per byte of X")
            .y_desc("flop/s")
            .y_label_formatter(&|v| format!("{v:.0e}"))
            .light_line_style(WHITE)
            .draw()?;
        let ridge = c.fma_flops / c.copy_bytes;
        let roof = [(low, low * c.copy_bytes), (ridge, c.fma_flops), (high.max(ridge), c.fma_flops)];
        chart
            .draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?
            .label("ceilings")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], BLACK.stroke_width(2)));
        for (loss, colour) in LOSSES {
            let marks = shown().filter(|r| r.loss == loss).map(|r| {
                let size = (r.x.bytes().log10() - 4.5).clamp(2.0, 6.0) as i32;
                Circle::new((intensity(r), rate(r)), size, colour.mix(0.7).filled())
            });
            chart.draw_series(marks)?.label(loss).legend(move |(x, y)| Circle::new((x + 6, y), 4, colour.filled()));
        }
        let labels = shown()
            .filter(|r| r.x.bytes() >= shown().map(|r| r.x.bytes()).fold(0.0, f64::max))
            .map(|r| Text::new(format!("{}", r.k), (intensity(r), rate(r) * 0.8), ("sans-serif", 10)));
        chart.draw_series(labels)?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE.mix(0.8))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}
