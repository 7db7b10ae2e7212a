//! What principal components and k-means make of the same pictures.

use super::ImagesArgs;
use super::input::Pictures;
use crate::args::Global;
use crate::failure::Failure;
use crate::progress::spinner;
use crate::session;
use nmf_image::{Errors, LowRank};
use nmf_mixture::KMeansOptions;

/// Another way to the same number of bases.
pub(super) struct Rival {
    /// "pca" or "kmeans", as in JSON.
    pub(super) key: &'static str,
    /// For people.
    pub(super) name: &'static str,
    pub(super) model: LowRank,
    /// Against what was factored.
    pub(super) errors: Errors,
}

/// Principal components and k-means at the same k, as far as there are so many of them.
pub(super) fn rivals(args: &ImagesArgs, pictures: &Pictures, global: &Global) -> Result<Vec<Rival>, Failure> {
    let pixels = pictures.stack.pixels.view();
    let (m, n) = pixels.dim();
    // three copies in f64 while principal components are sought
    let bytes = m as f64 * n as f64 * 24.0;
    if let Some(free) = session::available_bytes().filter(|free| bytes > *free) {
        let gib = |b: f64| b / f64::from(1 << 30);
        return Err(Failure::usage(format!(
            "principal components and k-means of {m}×{n} need about {:.1} GiB of memory, {:.1} GiB are free: --no-compare leaves them out",
            gib(bytes),
            gib(free)
        )));
    }
    let threads = session::threads(global);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Failure::work(format!("{threads} threads cannot be started: {e}")))?;
    let most = |what: &str, most: usize| {
        if args.fit.rank > most {
            global.note(format!("{what}: {most} bases, as {m}×{n} pictures have no more"));
        }
        args.fit.rank.min(most)
    };
    let wheel = spinner(global, "principal components".into());
    let pca = pool.install(|| nmf_image::pca(pixels, most("principal components", m.min(n)), args.fit.seed))?;
    drop(wheel);
    let wheel = spinner(global, "k-means".into());
    let data = pixels.mapv(f64::from);
    let mut options = KMeansOptions::new(most("k-means", m));
    options.seed = args.fit.seed;
    let clusters = pool.install(|| nmf_mixture::kmeans(data.view(), None, &options));
    let clusters = clusters.map_err(|e| Failure::file(&args.input, e))?;
    drop((wheel, data));
    let clusters = LowRank::of_clusters(clusters.centres, &clusters.labels);
    let rival = |key, name, model: LowRank| Rival { key, name, errors: model.errors(pixels), model };
    Ok(vec![rival("pca", "PCA", pca), rival("kmeans", "k-means", clusters)])
}
