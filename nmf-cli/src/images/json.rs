//! What `images --json` prints.

use super::{Again, Found};
use serde_json::{Map, Value, json};

/// The keys of `images`, then those of the factorization.
pub(super) fn json(found: &Found) -> Map<String, Value> {
    let stack = &found.pictures.stack;
    let rival = |key: &str| found.rivals.iter().find(|r| r.key == key);
    let sparse = |key: &str| rival(key).map(|r| r.model.sparseness());
    let error = |key: &str| rival(key).map(|r| r.errors.relative());
    let stored = found.stored(found.own.rank());
    let ranks: Vec<Value> = found.ranks().into_iter().map(|a| rank(found, a)).collect();
    let pairs = [
        ("images", json!(stack.names.len())),
        ("height", json!(stack.shape.height)),
        ("width", json!(stack.shape.width)),
        ("channels", json!(stack.shape.channels)),
        ("scale", json!(found.args.scale.name())),
        (
            "sparseness_bases",
            json!({ "nmf": found.own.model.sparseness(), "pca": sparse("pca"), "kmeans": sparse("kmeans") }),
        ),
        ("error", json!({ "nmf": found.own.errors.relative(), "pca": error("pca"), "kmeans": error("kmeans") })),
        (
            "compression",
            json!({ "stored": stored.factors, "mn": stored.pictures, "ratio": stored.ratio(), "psnr": finite(found.own.errors.psnr()) }),
        ),
        ("ranks", json!(ranks)),
    ];
    let mut map: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    if let Some(noise) = Noise::of(found) {
        let best = json!({ "k": noise.best.0, "psnr": finite(noise.best.1) });
        map.insert("denoise".into(), json!({ "sigma": noise.sigma, "psnr_noisy": finite(noise.before), "best": best }));
    }
    for (key, value) in found.fit.to_json() {
        map.entry(key).or_insert(value);
    }
    map
}

fn rank(found: &Found, a: &Again) -> Value {
    let ratio = found.stored(a.rank()).ratio();
    let mut value =
        json!({ "k": a.rank(), "error": a.errors.relative(), "psnr": finite(a.errors.psnr()), "ratio": ratio });
    if let (Value::Object(map), Some(clean)) = (&mut value, &a.clean) {
        map.insert("psnr_clean".into(), json!(finite(clean.psnr())));
    }
    value
}

/// JSON knows no infinity, which is the PSNR of equal pictures.
pub(super) fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

/// What became of the noise of --denoise.
pub(super) struct Noise {
    pub(super) sigma: f64,
    /// PSNR of the noisy pictures.
    pub(super) before: f64,
    /// The rank that comes nearest to the pictures without it, and its PSNR.
    pub(super) best: (usize, f64),
}

impl Noise {
    pub(super) fn of(found: &Found) -> Option<Noise> {
        let (sigma, clean) = (found.args.denoise?, found.pictures.clean.as_ref()?);
        let squares: f64 =
            found.pictures.stack.pixels.iter().zip(clean).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        let before = -10.0 * (squares / clean.len().max(1) as f64).log10();
        let psnr = |a: &Again| a.clean.as_ref().map_or(f64::NAN, |e| e.psnr());
        let ranks = found.ranks();
        let best = ranks.iter().max_by(|a, b| psnr(a).total_cmp(&psnr(b)))?;
        Some(Noise { sigma, before, best: (best.rank(), psnr(best)) })
    }
}
