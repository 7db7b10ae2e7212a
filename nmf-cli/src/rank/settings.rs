//! What a survey was asked to do: kept beside its runs, so that another survey is not taken for its continuation.

use super::RankArgs;
use nmf_core::{Element, Problem};
use serde_json::{Map, Value, json};

/// Everything the finished runs depend on, by the name of the option it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings(pub(super) Map<String, Value>);

impl Settings {
    pub(super) fn new<T: Element>(args: &RankArgs, problem: &Problem<'_, T>, backend: &str) -> Settings {
        let (rows, cols) = problem.dim();
        let side = args.cluster.map(|c| if c == super::Clustered::Rows { "rows" } else { "cols" });
        let pairs = [
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("--precision", json!(T::NAME)),
            ("--stored-only, --mask or --weights", json!(format!("{:?}", problem.observed()).to_lowercase())),
            ("the matrix or its weights", json!(format!("{rows}×{cols}, {:016x}", problem.fingerprint()))),
            ("--ranks", json!(args.ranks.0)),
            ("--restarts", json!(args.restarts)),
            ("--folds", json!(args.folds)),
            ("--holdout", json!((args.folds > 0).then(|| args.share()))),
            ("--cluster", json!(side)),
            ("--loss", json!(args.loss.to_string())),
            ("--solver and its options", json!(format!("{:?}", args.method))),
            ("--seed", json!(args.seed)),
            ("--max-iter", json!(args.max_iter)),
            ("--tol", json!(args.tol)),
            ("the penalties", json!([args.l1_w, args.l2_w, args.l1_h, args.l2_h])),
            ("--backend", json!(backend)),
        ];
        Settings(pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
    }

    /// Why runs made under `older` settings are of no use under these: the first setting that differs, and both values.
    pub(super) fn differ(&self, older: &Map<String, Value>) -> Option<String> {
        for (name, value) in &self.0 {
            let before = older.get(name).unwrap_or(&Value::Null);
            let same = match (name.as_str(), value.as_array(), before.as_array()) {
                // each rank starts from the one before: one list must begin with the other
                ("--ranks", Some(now), Some(then)) => now.iter().zip(then).all(|(a, b)| a == b),
                _ => value == before,
            };
            if !same {
                return Some(format!("{name} is {value}, there it was {before}"));
            }
        }
        None
    }
}
