//! The pictures of a survey, and its report.

use super::files::Output;
use crate::failure::Failure;
use crate::pictures::{Series, lines, losses, matrix};
use crate::report::{Page, fit, range, seen_from_afar};
use crate::text::{grouped, number, seconds};
use ndarray::Array2;
use nmf_core::Element;
use nmf_core::rank::Surveyed;
use serde_json::Value;

/// Pixels of a consensus map to a side; of more items, means of neighbours are drawn.
const PIXELS: usize = 240;

/// Name and SVG of the curves over k.
pub(super) fn curves<T: Element>(o: &Output<'_, T>) -> Vec<(String, String)> {
    let ranks = &o.found.ranks;
    let at = |f: &dyn Fn(&Surveyed<T>) -> Option<f64>| -> Vec<(f64, f64)> {
        ranks.iter().filter_map(|s| Some((s.k as f64, f(s)?))).collect()
    };
    let best = o.found.recommended.rank;
    let mark = vec![(best as f64, format!("k = {best}"))];
    let mut out = Vec::new();
    if ranks.iter().any(|s| s.held_out.is_some()) {
        let points = ranks.iter().filter_map(|s| {
            let (mean, error) = s.held_out?;
            Some((s.k as f64, mean, Some((mean - error, mean + error))))
        });
        let series = [Series { name: "held-out error".into(), points: points.collect() }];
        let svg = lines("Held-out error over k", "k", "divergence per entry", &series, &mark, false);
        out.push(("heldout".to_string(), svg));
    }
    let spread = |s: &Surveyed<T>| {
        let all = || s.divergences.iter().copied();
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
    };
    let points =
        ranks.iter().filter_map(|s| Some((s.k as f64, *s.divergences.get(s.best)?, Some(spread(s))))).collect();
    let bend = o.found.elbow.map(|k| (k as f64, format!("elbow, k = {k}"))).into_iter().collect::<Vec<_>>();
    let series = [Series { name: "error".into(), points }];
    out.push(("error".into(), lines("Error over k", "k", "divergence", &series, &bend, false)));
    let list: Vec<Series> = [
        ("cophenetic correlation", at(&|s| s.cophenetic)),
        ("dispersion", at(&|s| s.dispersion)),
        ("silhouette", at(&|s| s.silhouette)),
        (
            "least stable component",
            at(&|s| s.stability.iter().copied().reduce(f64::min).filter(|_| s.cophenetic.is_some())),
        ),
    ]
    .into_iter()
    .filter(|(_, points)| !points.is_empty())
    .map(|(name, points)| Series::new(name, points))
    .collect();
    if !list.is_empty() {
        out.push((
            "stability".into(),
            lines("Agreement of the starts over k", "k", "1: all agree", &list, &mark, false),
        ));
    }
    out
}

/// Name and SVG of the consensus map of every rank that has one.
pub(super) fn consensus<T: Element>(o: &Output<'_, T>) -> Vec<(String, String)> {
    o.found
        .ranks
        .iter()
        .filter(|s| !s.consensus.is_empty())
        .map(|s| (format!("consensus_k{}", s.k), map(o, s)))
        .collect()
}

fn map<T: Element>(o: &Output<'_, T>, s: &Surveyed<T>) -> String {
    let n = s.order.len();
    let shown = n.min(PIXELS);
    let from = |p: usize| p * n / shown.max(1);
    let mut pixels = Array2::<f32>::zeros((shown, shown));
    for ((a, b), pixel) in pixels.indexed_iter_mut() {
        let (rows, cols) = (&s.order[from(a)..from(a + 1)], &s.order[from(b)..from(b + 1)]);
        let sum: f64 = rows.iter().flat_map(|i| cols.iter().map(|j| s.consensus[[*i, *j]])).sum();
        *pixel = (sum / (rows.len() * cols.len()).max(1) as f64) as f32;
    }
    let title = format!("Consensus at k = {}", s.k);
    let mut caption = format!(
        "Share of {} runs in which two {} are in one cluster, in the order of average linkage.",
        s.divergences.len(),
        o.side()
    );
    let all = if o.clustered() == nmf_core::Side::Rows { o.table.dim().0 } else { o.table.dim().1 };
    if n < all {
        caption.push_str(&format!(" {} of {} {}, evenly spread.", grouped(n as u64), grouped(all as u64), o.side()));
    }
    if shown < n {
        caption.push_str(&format!(" A pixel shows the mean of about {0}×{0} of them.", n.div_ceil(shown)));
    }
    matrix(&title, pixels.view(), (0.0, 1.0), false, (o.side(), o.side()), "share", &caption)
}

/// X, and W·H at some ranks: what more components add.
fn heat_maps<T: Element>(o: &Output<'_, T>, threads: usize, page: &mut Page) -> Result<(), Failure> {
    let ranks = &o.found.ranks;
    let at = |share: f64| (share * (ranks.len().saturating_sub(1)) as f64).round() as usize;
    let mut shown: Vec<usize> = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0].map(at).to_vec();
    shown.extend(ranks.iter().position(|s| s.k == o.found.recommended.rank));
    shown.sort_unstable();
    shown.dedup();
    let (m, n) = o.table.dim();
    let sides = (format!("{} rows", grouped(m as u64)), format!("{} columns", grouped(n as u64)));
    let labels = (sides.0.as_str(), sides.1.as_str());
    let mut first: Option<f32> = None;
    for surveyed in shown.into_iter().filter_map(|i| ranks.get(i)) {
        let blocks = seen_from_afar(o.table, o.known, (surveyed.w.view(), surveyed.h.view()), threads)?;
        let high = match first {
            Some(high) => high,
            None => {
                let (high, largest) = range(blocks.x.iter().copied());
                page.section(
                    "Data and models",
                    "X beside W·H at some of the ranks, all in the colours of X: more components show more of X, and in the end its noise.",
                );
                let pixel = if blocks.exact() {
                    "A pixel is a cell.".into()
                } else {
                    format!("A pixel shows the mean of {}.", blocks.size())
                };
                let gaps = if blocks.gaps { " What is unknown is left out." } else { "" };
                let beyond = match largest > high {
                    true => format!(
                        " The colours end at {}; the largest pixel is {}.",
                        number(f64::from(high)),
                        number(f64::from(largest))
                    ),
                    false => String::new(),
                };
                let caption = format!("{pixel} Rows and columns in the order of the file.{gaps}{beyond}");
                page.figure("x", matrix("X", blocks.x.view(), (0.0, high), false, labels, "", &caption), "");
                first = Some(high);
                high
            }
        };
        let title = format!("W·H at k = {}", surveyed.k);
        page.figure(
            &format!("model_k{}", surveyed.k),
            matrix(&title, blocks.model.view(), (0.0, high), false, labels, "", ""),
            "",
        );
    }
    Ok(())
}

/// The report.
pub(super) fn report<T: Element>(o: &Output<'_, T>, threads: usize) -> Result<Page, Failure> {
    let (m, n) = o.table.dim();
    let recommended = &o.found.recommended;
    let file = fit::file_name(&o.args.input);
    let mut page =
        Page::new(&format!("Which rank? {file}"), &format!("k = {}: {}.", recommended.rank, recommended.reason));
    let (low, high) = recommended.interval;
    let ranks: Vec<usize> = o.found.ranks.iter().map(|s| s.k).collect();
    page.tiles(&[
        ("recommended k", recommended.rank.to_string()),
        ("as good", if low == high { low.to_string() } else { format!("{low} to {high}") }),
        ("ranks tried", format!("{} to {}", ranks.first().unwrap_or(&0), ranks.last().unwrap_or(&0))),
        ("matrix", format!("{}×{}", grouped(m as u64), grouped(n as u64))),
        ("loss", o.args.loss.to_string()),
        ("runs", format!("{}", ranks.len() * (o.args.restarts + o.args.folds))),
        ("time", seconds(o.cost.seconds)),
    ]);
    let curves = curves(o);
    let told = [
        (
            "heldout",
            "Does it predict what it has not seen?",
            "Scattered entries are held out, the others are factored, and the model is judged by the entries it has not seen. \
             The curve falls while components describe the data and rises when they describe noise. The recommended rank is the smallest \
             one within one standard error of the lowest.",
            "Band: the mean over the folds ± its standard error.",
        ),
        (
            "error",
            "How well does it fit?",
            "The error of the best start falls with every component, whether it means something or not; a bend says where \
             further components gain little.",
            "Line: the best start; band: all of them.",
        ),
        (
            "stability",
            "Do different starts agree?",
            "Runs from different random starts are compared: by the clusters they put things in (cophenetic correlation and dispersion of the \
             consensus) and by the components themselves, matched one to one (silhouette of the clusters of components, mean cosine of the \
             least stable one). Ranks at which they agree can be trusted to be more than an accident of the start.",
            "",
        ),
    ];
    for (name, heading, text, caption) in told {
        if let Some((_, svg)) = curves.iter().find(|(n, _)| n == name) {
            page.section(heading, text);
            page.figure(name, svg.clone(), caption);
        }
    }
    page.section("The figures", "");
    let (header, rows) = o.rows();
    page.table(&header, &rows);
    if let Some(remark) = o.remark() {
        page.paragraph(&remark);
    }
    let maps = consensus(o);
    if !maps.is_empty() {
        let text = format!("Blocks on the diagonal are groups of {} that most runs put together.", o.side());
        page.section("Consensus", &text);
        for (name, svg) in maps {
            page.figure(&name, svg, "");
        }
    }
    model(o, &mut page);
    heat_maps(o, threads, &mut page)?;
    page.section("What the loss counts", "");
    page.figure("loss", losses(&o.args.loss), "");
    page.section("Settings", "");
    let mut settings = vec![("input".to_string(), file)];
    for (name, value) in &o.settings.0 {
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        settings.push((name.trim_start_matches('-').to_string(), text));
    }
    if o.args.folds > 0 {
        settings.push(("held out in each fold".into(), format!("{:.3} % of the entries", 100.0 * o.found.share)));
    }
    if let Some(b) = o.bootstrap {
        settings.push(("bootstrap".into(), format!("{} resamples of the rows", b.resamples)));
    }
    settings.push((
        "best start".into(),
        format!("seed {}", o.args.seed.wrapping_add(o.recommended().map_or(0, |s| s.best as u64))),
    ));
    if o.cost.backend == "cpu" {
        settings.push(("at a time".into(), format!("{} runs", o.cost.threads)));
    }
    page.settings(&settings);
    Ok(page)
}

/// The components of the recommended rank: how stable, and how certain.
fn model<T: Element>(o: &Output<'_, T>, page: &mut Page) {
    let Some(best) = o.recommended() else { return };
    page.section(
        &format!("The components at k = {}", best.k),
        "Stability is the mean cosine of a component to its counterparts in the other runs. W.npy and H.npy (with -o) hold them.",
    );
    let names = |q: usize| -> String {
        let row = best.h.row(q);
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].f64().total_cmp(&row[*a].f64()));
        let name = |j: &usize| {
            o.table.col_names.as_ref().and_then(|n| n.get(*j)).cloned().unwrap_or_else(|| format!("column {j}"))
        };
        order.iter().take(6).map(name).collect::<Vec<_>>().join(", ")
    };
    let mut header = vec!["component", "strongest columns"];
    if !best.stability.is_empty() {
        header.push("stability");
    }
    if !best.silhouettes.is_empty() {
        header.push("silhouette");
    }
    if o.bootstrap.is_some() {
        header.extend(["bootstrap cosine", "mean spread of H"]);
    }
    let rows: Vec<Vec<String>> = (0..best.k)
        .map(|q| {
            let mut row = vec![(q + 1).to_string(), names(q)];
            for list in [&best.stability, &best.silhouettes] {
                row.extend(list.get(q).map(|v| format!("{v:.3}")));
            }
            if let Some(b) = o.bootstrap {
                let (spread, mean) = (b.deviation.row(q).sum(), b.mean.row(q).sum());
                row.push(b.similarity.get(q).map_or_else(String::new, |v| format!("{v:.3}")));
                row.push(if mean > 0.0 { format!("{:.1} %", 100.0 * spread / mean) } else { "".into() });
            }
            row
        })
        .collect();
    page.table(&header, &rows);
}
