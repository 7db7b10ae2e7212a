//! `mixture`: Gaussians fitted to the rows of a table, beside k-means.

mod arrange;
mod report;

use crate::args::{BackendChoice, Global, PrecisionChoice};
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::input::InputOptions;
use crate::session;
use crate::text;
use arrange::{largest, matching, widened, widened_covariances};
use clap::{Args, ValueEnum};
use ndarray::{Array1, Array2, Axis};
use nmf_core::{Loss, Matrix};
use nmf_io::Precision;
use nmf_mixture::{Covariance, Covariances, KMeans, KMeansOptions, MixtureFit, MixtureOptions, Start};
use std::path::PathBuf;
use std::time::Instant;

/// Sums of full covariances that would take more than this are refused.
const MOST_BYTES: f64 = 8.0 * (1u64 << 30) as f64;

/// Options of `mixture`.
#[derive(Args, Debug)]
#[command(
    long_about = "Fits K Gaussians to the rows of a table by expectation-maximization: p(x) = Σ weight · N(x; mean, covariance). \
        Entries may be negative. K-means clusters the same rows for comparison; its clusters are numbered after the \
        components they share most rows with.",
    after_help = "Examples:\n  nmf-cli mixture points.csv -k 3 --covariance full -o clusters\n  \
        nmf-cli mixture delays.npy -k 2 --json\n\n\
        A column with one value in every row says nothing about components: it is left out of the fit with a warning, and \
        gets that value as mean and 0 as variance. BIC and AIC count natural logarithms; smaller is better. The agreement is \
        the adjusted Rand index: 1 for the same partition, about 0 for unrelated ones. K-means measures distances in \
        the columns as they are, the start of the Gaussians in columns scaled to variance 1."
)]
pub(crate) struct MixtureArgs {
    /// The table, a row for each point: .npy, .npz (an array), .csv or .tsv
    pub(crate) input: PathBuf,
    /// Gaussians (and clusters of k-means)
    #[arg(short = 'k', long, value_name = "K")]
    pub(crate) components: usize,
    /// Folder for means, covariances, weights and responsibilities (.npy), assignments.tsv, mixture.json and pictures
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the covariances
    #[arg(long, value_enum, default_value = "diagonal")]
    pub(crate) covariance: CovarianceChoice,
    /// Where to start
    #[arg(long, value_enum, default_value = "kmeans")]
    pub(crate) init: InitChoice,
    /// Starts with other random numbers, of which the best is kept; also of k-means
    #[arg(long, default_value_t = 4, value_name = "R")]
    pub(crate) restarts: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Iterations of each start at most
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) max_iter: usize,
    /// Stop when the log-likelihood rises by at most TOL per row in an iteration
    #[arg(long, default_value_t = 1e-7, value_name = "TOL")]
    pub(crate) tol: f64,
    /// CSV and TSV: line 1 holds the column names [default: when no field of it is a number]
    #[arg(long, help_heading = "Input")]
    pub(crate) header: bool,
    /// CSV and TSV: line 1 holds data
    #[arg(long, conflicts_with = "header", help_heading = "Input")]
    pub(crate) no_header: bool,
    /// CSV and TSV: column 1 holds the row names [default: when it is not numeric]
    #[arg(long, help_heading = "Input")]
    pub(crate) row_names: bool,
    /// CSV and TSV: column 1 holds data
    #[arg(long, conflicts_with = "row_names", help_heading = "Input")]
    pub(crate) no_row_names: bool,
    /// Columns become rows
    #[arg(long, help_heading = "Input")]
    pub(crate) transpose: bool,
}

/// Names of the forms of covariances.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CovarianceChoice {
    /// A variance for every column
    Diagonal,
    /// With correlations
    Full,
}

/// Names of the starts.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitChoice {
    /// The clusters of k-means
    Kmeans,
    /// Random rows as means
    Random,
}

/// The rows to be fitted.
struct Points {
    /// All columns.
    values: Array2<f64>,
    row_names: Option<Vec<String>>,
    col_names: Option<Vec<String>>,
    /// Columns with more than one value.
    kept: Vec<usize>,
}

impl Points {
    /// The name of a column, by default its number from 1.
    fn column(&self, j: usize) -> String {
        let known = self.col_names.as_ref().and_then(|names| names.get(j)).filter(|n| !n.trim().is_empty());
        known.map_or_else(|| format!("column {}", j + 1), Clone::clone)
    }

    /// Columns of one value.
    fn constant(&self) -> Vec<usize> {
        (0..self.values.ncols()).filter(|j| !self.kept.contains(j)).collect()
    }
}

/// What was found, over all columns, the component of largest weight first.
struct Found {
    fit: MixtureFit,
    weights: Array1<f64>,
    /// K×d.
    means: Array2<f64>,
    covariances: Covariances,
    /// Rows×K.
    responsibilities: Array2<f64>,
    /// The component of every row.
    labels: Vec<usize>,
    kmeans: KMeans,
    /// Centres and labels of k-means, numbered after the components.
    centres: Array2<f64>,
    clusters: Vec<usize>,
    /// Adjusted Rand index of both partitions.
    agreement: f64,
    seconds: f64,
    load_seconds: f64,
    threads: usize,
}

/// Runs the command.
pub(crate) fn run(args: &MixtureArgs, global: &Global) -> Result<(), Failure> {
    check(args, global)?;
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
    }
    let clock = Instant::now();
    let points = load(args, global)?;
    let load_seconds = clock.elapsed().as_secs_f64();
    let threads = session::threads(global);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Failure::work(format!("{threads} threads cannot be started: {e}")))?;
    let wheel = crate::progress::spinner(global, format!("fitting {} Gaussians", args.components));
    let found = pool.install(|| fit(args, &points, (load_seconds, threads)));
    drop(wheel);
    let found = found?;
    warn_about(&found, args, global);
    if let Some(dir) = &args.output {
        report::save(dir, args, &points, &found)?;
    }
    if global.json {
        text::print_json(&report::json(args, &points, &found))
    } else {
        text::print(&report::summary(args, &points, &found))
    }
}

/// Refuses what cannot be honoured.
fn check(args: &MixtureArgs, global: &Global) -> Result<(), Failure> {
    let refuse = |message: &str| Err(Failure::usage(message));
    if args.components == 0 {
        return refuse("-k 0 is not accepted: at least one component");
    }
    if args.restarts == 0 {
        return refuse("--restarts 0 is not accepted: at least one start");
    }
    if !(args.tol.is_finite() && args.tol >= 0.0) {
        return refuse(&format!("--tol {} is not accepted: a finite number ≥ 0", args.tol));
    }
    if global.backend() == BackendChoice::Gpu {
        return refuse("--backend gpu: mixtures are fitted on the CPU; leave it out or use --backend cpu");
    }
    if let Some(option) = global.gpu_option() {
        return refuse(&format!("{option} is about a GPU; mixtures are fitted on the CPU"));
    }
    if global.precision == Some(PrecisionChoice::F32) {
        return refuse("--precision f32: mixtures are fitted in f64");
    }
    Ok(())
}

/// Reads the table and checks its entries.
fn load(args: &MixtureArgs, global: &Global) -> Result<Points, Failure> {
    let options = InputOptions {
        header: args.header,
        no_header: args.no_header,
        row_names: args.row_names,
        no_row_names: args.no_row_names,
        transpose: args.transpose,
        ..InputOptions::default()
    };
    let (loaded, _) = options.load(&args.input, Some(Precision::F64), global)?;
    let table = loaded.into_f64();
    let Matrix::Dense(values) = table.matrix else {
        let message = "a sparse matrix; a dense table is needed (`nmf-cli convert` makes a .npy or .csv of it)";
        return Err(Failure::file(&args.input, message));
    };
    let (rows, cols) = values.dim();
    if rows == 0 || cols == 0 {
        return Err(Failure::file(&args.input, nmf_mixture::Error::Empty { rows, cols }));
    }
    if let Some(((row, col), &value)) = values.indexed_iter().find(|(_, v)| !v.is_finite()) {
        // the place is that in the file
        let (row, col) = if args.transpose { (col, row) } else { (row, col) };
        return Err(Failure::file(&args.input, nmf_mixture::Error::NotFinite { row, col, value }));
    }
    if args.components > rows {
        let message = format!("-k {} for {rows} rows: at least one row for each component is needed", args.components);
        return Err(Failure::file(&args.input, message));
    }
    let varies = |j: &usize| values.column(*j).iter().any(|v| *v != values[[0, *j]]);
    let kept: Vec<usize> = (0..cols).filter(varies).collect();
    let (row_names, col_names) = (table.row_names, table.col_names);
    let points = Points { values, row_names, col_names, kept };
    match points.constant() {
        none if none.is_empty() => {}
        all if all.len() == cols => {
            let message = match rows {
                1 => "a single row: Gaussians need some spread".to_string(),
                _ => "every row is the same: Gaussians need some spread".to_string(),
            };
            return Err(Failure::file(&args.input, message));
        }
        some => {
            let names: Vec<String> =
                some.iter().take(5).map(|j| format!("{} ({})", points.column(*j), points.values[[0, *j]])).collect();
            let more = if some.len() > 5 { ", …" } else { "" };
            let names = names.join(", ");
            let path = args.input.display();
            global.warn(format!("{path}: left out of the fit, as every row has the same value: {names}{more}"));
        }
    }
    memory(args, rows, points.kept.len())?;
    Ok(points)
}

/// Refuses what this machine cannot hold.
fn memory(args: &MixtureArgs, rows: usize, cols: usize) -> Result<(), Failure> {
    session::check_memory(&Work {
        rows,
        cols,
        stored: rows as u64 * cols as u64,
        sparse: false,
        rank: args.components,
        iterations: 1,
        loss: Loss::FRO,
        precision: Precision::F64,
        needs: Needs::default(),
    })?;
    // second moments are summed over blocks of some thousand rows
    let blocks = rows as f64 / 4096.0 + 4.0;
    let bytes = args.components as f64 * (cols as f64).powi(2) * 8.0 * blocks;
    if args.covariance == CovarianceChoice::Full && bytes > MOST_BYTES {
        let gib = bytes / f64::from(1 << 30);
        return Err(Failure::file(
            &args.input,
            format!(
                "full covariances of {cols} columns need about {gib:.0} GiB; --covariance diagonal does without them"
            ),
        ));
    }
    Ok(())
}

/// Fits the mixture and k-means.
fn fit(args: &MixtureArgs, points: &Points, (load_seconds, threads): (f64, usize)) -> Result<Found, Failure> {
    let clock = Instant::now();
    // the library counts the columns it was given
    let explain = |e: nmf_mixture::Error| {
        let e = match e {
            nmf_mixture::Error::Range { col, reason } => {
                nmf_mixture::Error::Range { col: points.kept.get(col).copied().unwrap_or(col), reason }
            }
            other => other,
        };
        Failure::file(&args.input, e)
    };
    let data = points.values.select(Axis(1), &points.kept);
    let mut options = MixtureOptions::new(args.components);
    options.covariance = match args.covariance {
        CovarianceChoice::Diagonal => Covariance::Diagonal,
        CovarianceChoice::Full => Covariance::Full,
    };
    options.start = match args.init {
        InitChoice::Kmeans => Start::KMeans,
        InitChoice::Random => Start::Random,
    };
    (options.restarts, options.max_iter) = (args.restarts, args.max_iter);
    (options.tol, options.seed) = (args.tol, args.seed);
    let found = nmf_mixture::fit(data.view(), None, &options).map_err(explain)?;
    let mut clustering = KMeansOptions::new(args.components);
    (clustering.restarts, clustering.seed) = (args.restarts, args.seed);
    let kmeans = nmf_mixture::kmeans(data.view(), None, &clustering).map_err(explain)?;

    let mut order: Vec<usize> = (0..args.components).collect();
    let weight = |q: &usize| found.mixture.weights()[*q];
    order.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let responsibilities = found.mixture.predict_proba(data.view()).map_err(explain)?.select(Axis(1), &order);
    let labels: Vec<usize> = responsibilities.outer_iter().map(|row| largest(row.iter())).collect();
    let renumbered = matching(&labels, &kmeans.labels, args.components);
    let clusters: Vec<usize> = kmeans.labels.iter().map(|c| renumbered[*c]).collect();
    let mut centre_order = vec![0; args.components];
    renumbered.iter().enumerate().for_each(|(c, q)| centre_order[*q] = c);
    let agreement = nmf_text::agreement::ari(&labels, &clusters)?;
    Ok(Found {
        weights: found.mixture.weights().select(Axis(0), &order),
        means: widened(found.mixture.means().select(Axis(0), &order).view(), points),
        covariances: widened_covariances(found.mixture.covariances(), &order, points),
        centres: widened(kmeans.centres.select(Axis(0), &centre_order).view(), points),
        fit: found,
        responsibilities,
        labels,
        kmeans,
        clusters,
        agreement,
        seconds: clock.elapsed().as_secs_f64(),
        load_seconds,
        threads,
    })
}

fn warn_about(found: &Found, args: &MixtureArgs, global: &Global) {
    if found.fit.floored > 0 {
        global.warn(format!(
            "{} components have closed in on a few equal rows; a floor keeps their variance above 0, and the likelihood says little: take fewer components",
            found.fit.floored
        ));
    }
    if found.fit.empty > 0 {
        global.warn(format!("{} components have lost all their rows: take fewer", found.fit.empty));
    }
    if !found.fit.converged {
        global.note(format!("the log-likelihood was still rising after {} iterations: --max-iter", args.max_iter));
    }
}
