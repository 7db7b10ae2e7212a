//! What a survey was asked to do: kept beside its runs, so that another survey is not taken for its continuation.

use super::RankArgs;
use nmf_core::{Element, Problem};
use serde_json::{Map, Value, json};

/// Everything the finished runs depend on, by the name of the option it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings(pub(super) Map<String, Value>);

impl Settings {
    pub(super) fn new<T: Element>(
        args: &RankArgs,
        problem: &Problem<'_, T>,
        (backend, adapter): (&str, &str),
    ) -> Settings {
        let (rows, cols) = problem.dim();
        let options = args.method.to_json();
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
            ("--solver", json!(args.method.kind().to_string())),
            ("the solver's options", json!((!options.is_empty()).then_some(options))),
            ("--seed", json!(args.seed)),
            ("--max-iter", json!(args.max_iter)),
            ("--tol", json!(args.tol)),
            ("--l1-w", json!(args.l1_w)),
            ("--l2-w", json!(args.l2_w)),
            ("--l1-h", json!(args.l1_h)),
            ("--l2-h", json!(args.l2_h)),
            ("--backend", json!(backend)),
            ("--adapter", json!(adapter)),
        ];
        Settings(pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
    }

    /// Takes over the longer list of ranks: what is kept of its end is still of use to those who ask for it again.
    pub(super) fn keep_longer(&mut self, older: &Map<String, Value>) {
        let count = |v: Option<&Value>| v.and_then(Value::as_array).map_or(0, Vec::len);
        if let Some(ranks) = older.get("--ranks").filter(|r| count(Some(r)) > count(self.0.get("--ranks"))) {
            self.0.insert("--ranks".into(), ranks.clone());
        }
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
