//! `recommend`: ratings of users and items, of which few are known, to what each user may like.

mod measure;
mod rank;
mod read;
mod report;

use crate::args::{BackendChoice, Global, PrecisionChoice};
use crate::failure::Failure;
use crate::model;
use crate::progress::{Counter, Interruptible};
use crate::session;
use crate::text;
use clap::{Args, ValueEnum};
use nmf_core::{Error, Flow};
use nmf_cpu::ratings::{self, RatingModel, RatingOptions, Ratings, Scaling};
use nmf_io::Column;
use read::{Known, Names};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `recommend`.
#[derive(Args, Debug)]
#[command(
    long_about = "Learns from the ratings that are known, r ≈ μ + b_user + b_item + w·h with w, h ≥ 0, what the unknown ones would be, and \
        recommends to every user the items with the highest. RATINGS is text with a rating a line (user, item, rating; further columns \
        do not matter), or a matrix users × items: of a sparse one the stored entries are the ratings, of a dense one all entries \
        but NaN. Text can be gzipped or a member of an archive, archive.zip!/member.",
    after_help = "Examples:\n  nmf-cli recommend ratings.csv --columns user,item,rating --holdout 0.1 -o model\n  \
        nmf-cli recommend ml-100k.zip!/ml-100k/u1.base --test ml-100k.zip!/ml-100k/u1.test --items ml-100k.zip!/ml-100k/u.item --user 42\n\n\
        The penalty of a user's factors is L2 · (standard deviation of the ratings) · √(number of the user's ratings) (--l2-scaling), and the \
        same for items. Held-out errors are of predictions clamped to the range of the training ratings; the baseline is the mean \
        of the item's training ratings. precision@10 and NDCG@10: for every user with a relevant item (rated at least --relevant) among the \
        held-out ratings, all items that the user has not rated in training are ranked by their prediction; what the user did not rate counts as not \
        relevant; both are means over these users, gains are 0 or 1 and discounted by log2(1 + place)."
)]
pub(crate) struct RecommendArgs {
    /// Text with a rating a line, or a matrix users × items (.npy, .npz, .mtx)
    #[arg(value_name = "RATINGS")]
    pub(crate) input: PathBuf,
    /// Rank: number of components
    #[arg(short = 'k', long, value_name = "K", default_value_t = 40)]
    pub(crate) rank: usize,
    /// Folder for the model (W.npy, H.npy, biases, names, fit.json) and recommendations.tsv
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// What RATINGS is [default: a matrix if its name ends in .npy, .npz, .mtx or .mtx.gz or it is a folder, else lines]
    #[arg(long, value_enum, help_heading = "Input")]
    pub(crate) format: Option<FormatChoice>,
    /// Columns of user, item and rating: names in line 1, or numbers from 1
    #[arg(
        long,
        value_name = "USER,ITEM,RATING",
        value_delimiter = ',',
        default_value = "1,2,3",
        help_heading = "Input"
    )]
    pub(crate) columns: Vec<Column>,
    /// What stands between columns, \t for a tab [default: the first of tab, ::, |, ;, "," in line 1, else blanks]
    #[arg(long, value_name = "TEXT", help_heading = "Input")]
    pub(crate) separator: Option<String>,
    /// Line 1 holds the column names [default: when its rating is no number, or columns are given by name]
    #[arg(long, help_heading = "Input")]
    pub(crate) header: bool,
    /// Line 1 holds a rating
    #[arg(long, conflicts_with = "header", help_heading = "Input")]
    pub(crate) no_header: bool,
    /// Names of the items, for people: text with an item a line
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) items: Option<PathBuf>,
    /// Columns of the item and its name in --items
    #[arg(
        long,
        value_name = "ITEM,NAME",
        value_delimiter = ',',
        default_value = "1,2",
        requires = "items",
        help_heading = "Input"
    )]
    pub(crate) items_columns: Vec<Column>,
    /// Held-out ratings, in the format of RATINGS
    #[arg(long, value_name = "FILE", conflicts_with = "holdout", help_heading = "Measures")]
    pub(crate) test: Option<PathBuf>,
    /// Hold out about this share of the ratings, chosen by --seed
    #[arg(long, value_name = "SHARE", help_heading = "Measures")]
    pub(crate) holdout: Option<f64>,
    /// Held-out items rated at least this are relevant
    #[arg(long, value_name = "RATING", default_value_t = 4.0, help_heading = "Measures")]
    pub(crate) relevant: f64,
    /// Without μ, b_user and b_item: r ≈ w·h
    #[arg(long, help_heading = "Factorization")]
    pub(crate) no_biases: bool,
    /// Weight of ½‖w‖² and ½‖h‖² [default: 0.7; with --l2-scaling count 0.09, none 9]
    #[arg(long, value_name = "WEIGHT", help_heading = "Factorization")]
    pub(crate) l2: Option<f64>,
    /// How the weight grows with the number of ratings of a user or item [default: root; with --no-biases count]
    #[arg(long, value_enum, help_heading = "Factorization")]
    pub(crate) l2_scaling: Option<ScalingChoice>,
    /// Weight of ½b² for every bias [default: 5]
    #[arg(long, value_name = "WEIGHT", conflicts_with = "no_biases", help_heading = "Factorization")]
    pub(crate) l2_bias: Option<f64>,
    /// Iterations at most
    #[arg(long, default_value_t = 60, value_name = "N", help_heading = "Factorization")]
    pub(crate) max_iter: usize,
    /// Stop when an iteration lowers the objective by at most this share; 0: exactly --max-iter
    #[arg(long, default_value_t = 1e-5, value_name = "TOL", help_heading = "Factorization")]
    pub(crate) tol: f64,
    /// Seed of the start and of --holdout
    #[arg(long, default_value_t = 0, value_name = "SEED", help_heading = "Factorization")]
    pub(crate) seed: u64,
    /// Items to recommend to each user, and similar items to show
    #[arg(long, default_value_t = 10, value_name = "N", help_heading = "Results")]
    pub(crate) top: usize,
    /// Show what is recommended to this user
    #[arg(long, value_name = "NAME", help_heading = "Results")]
    pub(crate) user: Option<String>,
    /// Show the items most similar to this one (as RATINGS or --items call it): the cosine of their factors
    #[arg(long, value_name = "ITEM", help_heading = "Results")]
    pub(crate) similar: Option<String>,
    /// Similar items must have this many ratings: the factors of an item with few say little
    #[arg(long, default_value_t = 20, value_name = "N", requires = "similar", help_heading = "Results")]
    pub(crate) min_ratings: usize,
}

/// Names of the kinds of input.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormatChoice {
    /// Text with a rating a line
    Lines,
    /// A matrix users × items, in any format that `factorize` reads
    Matrix,
}

/// Names of the scalings of the penalty.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalingChoice {
    /// Not at all
    None,
    /// As its square root
    Root,
    /// In proportion
    Count,
}

impl RecommendArgs {
    /// What is asked of the library.
    fn options(&self) -> RatingOptions {
        let biases = !self.no_biases;
        let scaling = match self.l2_scaling {
            Some(ScalingChoice::None) => Scaling::None,
            Some(ScalingChoice::Root) => Scaling::Root,
            Some(ScalingChoice::Count) => Scaling::Count,
            None if biases => Scaling::Root,
            None => Scaling::Count,
        };
        // chosen by cross-validation within the training part of ml-100k's u1
        let usual = match scaling {
            Scaling::None => 9.0,
            Scaling::Root => 0.7,
            Scaling::Count => 0.09,
        };
        RatingOptions {
            rank: self.rank,
            biases,
            l2: self.l2.unwrap_or(usual),
            scaling,
            l2_bias: self.l2_bias.unwrap_or(5.0),
            max_iter: self.max_iter,
            tol: self.tol,
            seed: self.seed,
        }
    }
}

/// Everything that was found.
struct Found {
    names: Names,
    known: Known,
    model: RatingModel,
    /// Seconds from the start of the fit to the end of each iteration.
    times: Vec<f64>,
    options: RatingOptions,
    measures: Option<measure::Measures>,
    interrupted: bool,
    load_seconds: f64,
    seconds: f64,
    threads: usize,
}

/// Runs the command.
pub(crate) fn run(args: &RecommendArgs, global: &Global) -> Result<(), Failure> {
    check(args, global)?;
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
        let inputs = [Some(&args.input), args.test.as_ref(), args.items.as_ref()];
        let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
        model::keep_inputs(dir, &inputs)?;
    }
    let threads = session::threads(global);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Failure::work(format!("{threads} threads cannot be started: {e}")))?;
    let clock = Instant::now();
    let wheel = crate::progress::spinner(global, format!("reading {}", args.input.display()));
    let (mut names, known) = read::ratings(args, global)?;
    if let Some(path) = &args.items {
        read::titles(path, args, &mut names, global)?;
    }
    drop(wheel);
    let load_seconds = clock.elapsed().as_secs_f64();
    check_memory(args, names.users.len(), names.items.len())?;
    // a name that is not there is told before the work
    let user = args.user.as_deref().map(|name| names.user(name)).transpose()?;
    let similar = args.similar.as_deref().map(|name| names.item(name)).transpose()?;
    let guard = Interruptible::new();
    let (title, options) = (format!("k = {}", args.rank), args.options());
    let clock = Instant::now();
    let (model, times, interrupted) = pool.install(|| fit(args, (&names, &known), &options, global, &title, &guard))?;
    let seconds = clock.elapsed().as_secs_f64();
    let measures = pool.install(|| measure::measures(args, &known, &model, &options, &guard))?;
    let interrupted = interrupted || guard.stopping();
    let found = Found { names, known, model, times, options, measures, interrupted, load_seconds, seconds, threads };
    let shown = report::Shown {
        user: user.map(|u| (u, rank::top(&found, u, args.top))),
        similar: similar.map(|i| (i, rank::similar(&found, i, args.top, args.min_ratings))),
    };
    if let Some(dir) = &args.output {
        pool.install(|| report::save(dir, args, &found))?;
    }
    let saved = args.output.as_deref().map_or(String::new(), |dir| format!("; written to {}", dir.display()));
    if global.json {
        text::print_json(&serde_json::Value::Object(report::json(args, &found, Some(&shown))))?;
    } else {
        text::print(&report::summary(args, &found, &shown))?;
    }
    if found.interrupted {
        let done = found.model.objectives.len() - 1;
        return Err(Failure::interrupted(format!("stopped after {done} iterations{saved}")));
    }
    Ok(())
}

/// Refuses factors that memory does not hold: those of the fit, and its copies.
fn check_memory(args: &RecommendArgs, users: usize, items: usize) -> Result<(), Failure> {
    let needed = 2.0 * 8.0 * (users as f64 + items as f64) * args.rank as f64;
    match session::available_bytes().filter(|free| needed > *free) {
        None => Ok(()),
        Some(free) => {
            let gib = |b: f64| b / f64::from(1 << 30);
            Err(Failure::usage(format!(
                "-k {}: factors of {users} users and {items} items need about {:.1} GiB of memory, {:.1} GiB are free: take fewer components",
                args.rank,
                gib(needed),
                gib(free)
            )))
        }
    }
}

/// Refuses what cannot be honoured.
fn check(args: &RecommendArgs, global: &Global) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::usage(message));
    for (option, columns, n, what) in [
        ("--columns", &args.columns, 3, "user, item and rating"),
        ("--items-columns", &args.items_columns, 2, "item and name"),
    ] {
        if columns.len() != n {
            return refuse(format!("{option}: {} columns, expected {n}: those of {what}", columns.len()));
        }
    }
    if let Some(share) = args.holdout.filter(|s| !(*s > 0.0 && *s < 1.0)) {
        return refuse(format!("--holdout {share} is not accepted: a share between 0 and 1"));
    }
    if args.rank == 0 && args.no_biases {
        return refuse("-k 0 with --no-biases leaves nothing to learn; -k 0 alone is biases without factors".into());
    }
    if !args.relevant.is_finite() {
        return refuse(format!("--relevant {} is not accepted: a finite rating", args.relevant));
    }
    if args.top == 0 {
        return refuse("--top 0 is not accepted: at least one item".into());
    }
    if read::is_matrix(args) && (args.separator.is_some() || args.header || args.no_header) {
        return refuse("--separator, --header and --no-header are for lines of text; RATINGS is a matrix".into());
    }
    if global.backend() == BackendChoice::Gpu {
        return refuse("--backend gpu: ratings are fitted on the CPU; leave it out or use --backend cpu".into());
    }
    if let Some(option) = global.gpu_option() {
        return refuse(format!("{option} is about a GPU; ratings are fitted on the CPU"));
    }
    if global.precision == Some(PrecisionChoice::F32) {
        return refuse("--precision f32: ratings are fitted in f64".into());
    }
    Ok(())
}

/// The model, the seconds at which its iterations ended, and whether Ctrl-C ended it.
fn fit(
    args: &RecommendArgs,
    (names, known): (&Names, &Known),
    options: &RatingOptions,
    global: &Global,
    title: &str,
    guard: &Interruptible,
) -> Result<(RatingModel, Vec<f64>, bool), Failure> {
    let counter = Counter::new(global, title, options.max_iter);
    let (clock, mut times) = (Instant::now(), Vec::new());
    let mut watch = |_: usize, objective: f64| {
        times.push(clock.elapsed().as_secs_f64());
        counter.step(&format!("objective {}", text::number(objective)));
        if guard.stopping() { Flow::Stop } else { Flow::Continue }
    };
    let explain = |e: Error| match e {
        Error::Negative { row, col, value, .. } => {
            let (user, item) = (&names.users[row], &names.items[col]);
            let message =
                format!("the rating {value} of user {user} for item {item}: with --no-biases ratings must be ≥ 0");
            Failure::file(&args.input, message)
        }
        e => Failure::matrix(&args.input, e),
    };
    let model = ratings::fit(&known.train, options, &mut watch).map_err(explain)?;
    Ok((model, times, guard.stopping()))
}

/// Users × items of the training ratings.
fn dim(train: &Ratings) -> (usize, usize) {
    train.dim()
}
