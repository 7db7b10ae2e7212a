//! What `recommend` prints and writes.

use super::rank::top;
use super::{Found, RecommendArgs};
use crate::failure::Failure;
use crate::fit_json::peak_rss_mb;
use crate::model;
use crate::text::{field, grouped, number, seconds, table};
use ndarray::ArrayView1;
use nmf_cpu::ratings::Scaling;
use nmf_io::Staging;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// What was asked to be shown: item numbers with predictions or cosines.
pub(super) struct Shown {
    pub(super) user: Option<(usize, Vec<(usize, f64)>)>,
    pub(super) similar: Option<(usize, Vec<(usize, f64)>)>,
}

fn scaling(s: Scaling) -> &'static str {
    match s {
        Scaling::None => "none",
        Scaling::Root => "root",
        Scaling::Count => "count",
    }
}

impl Found {
    fn stopped(&self) -> &'static str {
        match (self.interrupted, self.model.converged) {
            (true, _) => "interrupted",
            (_, true) => "tol",
            _ => "max_iter",
        }
    }

    fn iterations(&self) -> usize {
        self.model.objectives.len().saturating_sub(1)
    }
}

/// fit.json, and what --json prints: that also has what was asked to be shown.
pub(super) fn json(args: &RecommendArgs, found: &Found, shown: Option<&Shown>) -> Map<String, Value> {
    let (train, o) = (&found.known.train, &found.options);
    let (users, items) = train.dim();
    let m = found.measures.as_ref();
    let ranking = m.and_then(|m| m.ranking);
    let popular = m.and_then(|m| m.popular);
    // the watch may or may not have been told of the start
    let objectives = &found.model.objectives;
    let started = objectives.len().saturating_sub(found.times.len());
    let seconds = |i: usize| i.checked_sub(started).and_then(|i| found.times.get(i)).copied().unwrap_or(0.0);
    let trace: Vec<Value> = objectives.iter().enumerate().map(|(i, v)| json!([i, seconds(i), v])).collect();
    let pairs = [
        ("model", json!("ratings")),
        ("users", json!(users)),
        ("items", json!(items)),
        ("ratings", json!(train.count())),
        ("test_ratings", json!(m.map(|m| m.ratings))),
        ("rmse", json!(m.map(|m| m.rmse))),
        ("mae", json!(m.map(|m| m.mae))),
        ("baseline_rmse", json!(m.map(|m| m.baseline_rmse))),
        ("baseline", json!("mean of the item's training ratings")),
        ("biases_rmse", json!(m.and_then(|m| m.biases_rmse))),
        ("precision_at_10", json!(ranking.map(|r| r.precision))),
        ("ndcg_at_10", json!(ranking.map(|r| r.ndcg))),
        ("ranked_users", json!(ranking.map(|r| r.users))),
        ("popular_precision_at_10", json!(popular.map(|r| r.precision))),
        ("popular_ndcg_at_10", json!(popular.map(|r| r.ndcg))),
        ("relevant", json!(args.relevant)),
        ("cold_test_ratings", json!(m.map(|m| m.cold))),
        ("rows", json!(users)),
        ("cols", json!(items)),
        ("nnz", json!(train.count())),
        ("rank", json!(o.rank)),
        ("loss", json!("fro")),
        ("solver", json!("hals")),
        ("biases", json!(o.biases)),
        ("l2", json!(o.l2)),
        ("l2_scaling", json!(scaling(o.scaling))),
        ("l2_bias", json!(o.biases.then_some(o.l2_bias))),
        ("mean", json!(found.model.mean)),
        ("rating_range", json!([train.range().0, train.range().1])),
        ("seed", json!(o.seed)),
        ("holdout", json!(args.holdout)),
        ("backend", json!("cpu")),
        ("precision", json!("f64")),
        ("threads", json!(found.threads)),
        ("iterations", json!(found.iterations())),
        ("stopped", json!(found.stopped())),
        ("objective", json!(found.model.objectives.last())),
        ("objective_trace", json!(trace)),
        ("load_seconds", json!(found.load_seconds)),
        ("seconds", json!(found.seconds)),
        ("peak_rss_mb", json!(peak_rss_mb())),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ];
    let mut map: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    let listed = |items: &[(usize, f64)], what: &str| -> Vec<Value> {
        let one =
            |(i, v): &(usize, f64)| json!({ "item": found.names.items[*i], "name": found.names.titles[*i], what: v });
        items.iter().map(one).collect()
    };
    if let Some((user, items)) = shown.and_then(|s| s.user.as_ref()) {
        map.insert("user".into(), json!(found.names.users[*user]));
        map.insert("recommendations".into(), json!(listed(items, "prediction")));
    }
    if let Some((item, items)) = shown.and_then(|s| s.similar.as_ref()) {
        map.insert("item".into(), json!(found.names.items[*item]));
        map.insert("similar".into(), json!(listed(items, "cosine")));
    }
    map
}

/// For people.
pub(super) fn summary(args: &RecommendArgs, found: &Found, shown: &Shown) -> String {
    let (train, o) = (&found.known.train, &found.options);
    let (users, items) = train.dim();
    let big = |n: usize| grouped(n as u64);
    let biases = if o.biases { "biases and " } else { "" };
    let mut out = format!(
        "{} users, {} items, {} ratings from {} to {}; {biases}{} components ({} iterations, {})\n",
        big(users),
        big(items),
        big(train.count()),
        number(train.range().0),
        number(train.range().1),
        o.rank,
        found.iterations(),
        seconds(found.seconds),
    );
    match &found.measures {
        None => out += "nothing was held out: --holdout 0.1 or --test FILE measures the predictions\n",
        Some(m) => {
            let mut rows = vec![
                vec!["this model".to_string(), format!("{:.4}", m.rmse), format!("{:.4}", m.mae)],
                vec!["mean of the item".into(), format!("{:.4}", m.baseline_rmse), String::new()],
            ];
            if let Some(alone) = m.biases_rmse {
                rows.insert(1, vec!["biases alone".into(), format!("{alone:.4}"), String::new()]);
            }
            let _ = write!(out, "\n{} held-out ratings", big(m.ratings));
            if m.cold > 0 {
                let _ = write!(out, ", {} of a user or item without training ratings", big(m.cold));
            }
            let _ = writeln!(out, "\n{}", table(&["", "RMSE", "MAE"], &rows, 1));
            if let (Some(r), Some(p)) = (&m.ranking, &m.popular) {
                let row = |name: &str, r: &super::measure::Ranking| {
                    vec![name.to_string(), format!("{:.4}", r.precision), format!("{:.4}", r.ndcg)]
                };
                let rows = [row("this model", r), row("most rated items", p)];
                let header = ["", "precision@10", "NDCG@10"];
                let _ = writeln!(out, "\n{} users with items rated {} or more", big(r.users), number(args.relevant));
                let _ = writeln!(out, "{}", table(&header, &rows, 1));
            }
        }
    }
    let mut listed = |title: String, what: &str, items: &[(usize, f64)]| {
        let rows: Vec<Vec<String>> = items
            .iter()
            .enumerate()
            .map(|(n, (i, v))| vec![(n + 1).to_string(), found.names.shown(*i).to_string(), format!("{v:.3}")])
            .collect();
        let _ = writeln!(out, "\n{title}\n{}", table(&["", "item", what], &rows, 2));
    };
    if let Some((user, items)) = &shown.user {
        listed(format!("for user {}", found.names.users[*user]), "prediction", items);
    }
    if let Some((item, items)) = &shown.similar {
        listed(format!("like {}", found.names.shown(*item)), "cosine", items);
    }
    match &args.output {
        Some(dir) => {
            let _ = write!(out, "written to {} (the model, recommendations.tsv)", dir.display());
        }
        None => out += "nothing was written: -o DIR saves the model and recommendations for every user",
    }
    out
}

/// Writes the model and the recommendations for every user.
pub(super) fn save(dir: &Path, args: &RecommendArgs, found: &Found) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let (w, h) = (found.model.w.view(), found.model.h.t());
    let fit = Value::Object(json(args, found, None));
    let (users, items) = (&found.names.users, &found.names.items);
    model::stage(&mut out, w, h, &fit, Some(users), Some(items))?;
    if found.options.biases {
        out.npy("user_bias.npy", ArrayView1::from(&found.model.user_bias[..]))?;
        out.npy("item_bias.npy", ArrayView1::from(&found.model.item_bias[..]))?;
    }
    let titled = found.names.titles.iter().any(Option::is_some);
    let of_user = |u: usize| {
        let mut text = String::new();
        for (n, (i, v)) in top(found, u, args.top).into_iter().enumerate() {
            let _ = write!(text, "{}\t{}\t{}", field(&users[u]), n + 1, field(&items[i]));
            if titled {
                let _ = write!(text, "\t{}", field(found.names.shown(i)));
            }
            let _ = writeln!(text, "\t{v:.4}");
        }
        text
    };
    let texts: Vec<String> = (0..users.len()).into_par_iter().map(of_user).collect();
    out.write("recommendations.tsv", |file| {
        let name = if titled { "\tname" } else { "" };
        writeln!(file, "user\tplace\titem{name}\tprediction")?;
        texts.iter().try_for_each(|t| file.write_all(t.as_bytes()))
    })?;
    model::commit(out)
}
