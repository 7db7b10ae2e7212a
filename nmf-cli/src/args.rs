//! What may be typed: the global options and the list of commands. Each command's own options live in its file.

use crate::failure::Failure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use nmf_io::Precision;
use std::num::NonZeroUsize;

/// Non-negative matrix factorization X ≈ W·H: find the parts that non-negative data are made of.
///
/// X is m×n with entries ≥ 0, W is m×k, H is k×n. Runs on CPUs and GPUs; both can be made to check each other.
///
/// `nmf-cli --backend gpu` (or cpu) without a command factors a small built-in sample.
#[derive(Parser, Debug)]
#[command(
    name = "nmf-cli",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 the work failed; 2 bad usage or input; 130 interrupted.\n\n\
                  Example: nmf-cli factorize counts.mtx -k 20 --loss kl -o model"
)]
pub(crate) struct Cli {
    /// Options of every command, before or after it.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    #[command(about = "Factors a matrix: X (m×n) ≈ W (m×k) · H (k×n)")]
    Factorize(Box<crate::factorize::FactorizeArgs>),
    #[command(about = "Finds W for new rows by a model that `factorize` or `topics` wrote")]
    Transform(crate::transform::TransformArgs),
    #[command(about = "Tries every rank of a range and recommends one: error, held-out error, consensus")]
    Rank(Box<crate::rank::RankArgs>),
    #[command(about = "Finds the topics of a collection of documents", mut_args(crate::topics::refuse_beside_classify))]
    Topics(Box<crate::topics::TopicsArgs>),
    #[command(
        about = "Reads a table as probabilities, and its factorization as latent classes",
        mut_args(crate::probabilities::rank_optional)
    )]
    Probabilities(Box<crate::probabilities::ProbabilitiesArgs>),
    #[command(about = "Finds programs of genes in counts of cells × genes")]
    Genes(Box<crate::genes::GenesArgs>),
    #[command(about = "Separates a sound into its sources")]
    Separate(Box<crate::separate::SeparateArgs>),
    #[command(about = "Unmixes a hyperspectral cube into spectra and their abundances")]
    Unmix(crate::unmix::UnmixArgs),
    #[command(about = "Finds the parts that pictures are made of, beside principal components and k-means")]
    Images(Box<crate::images::ImagesArgs>),
    #[command(about = "Fits a mixture of Gaussians to the rows of a table, beside k-means")]
    Mixture(crate::mixture::MixtureArgs),
    #[command(about = "Learns from known ratings what else users may like")]
    Recommend(Box<crate::recommend::RecommendArgs>),
    #[command(about = "Factors several matrices that share modes, such as users and items")]
    Couple(crate::couple::CoupleArgs),
    #[command(about = "Runs every backend from the same start and compares the results; exit 1 if they disagree")]
    Compare(Box<crate::compare::CompareArgs>),
    #[command(about = "Measures CPU against GPU over shapes, ranks and losses")]
    Bench(crate::bench::BenchArgs),
    #[command(about = "Lists the adapters: limits, features and which of them are used, which adapter would be chosen")]
    Devices(crate::devices::DevicesArgs),
    #[command(about = "Converts a matrix between file formats")]
    Convert(crate::convert::ConvertArgs),
    #[command(about = "Describes a matrix file: shape, density, range, memory")]
    Inspect(crate::inspect::InspectArgs),
    #[command(about = "Prints completions for a shell")]
    Completions(crate::completions::CompletionsArgs),
    /// Prints the manual page in roff
    ///
    /// Example: nmf-cli man > nmf-cli.1
    Man,
}

/// Where to compute.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendChoice {
    /// A hardware GPU when the estimated time favours it, else the CPU; the choice and why is printed.
    Auto,
    /// All cores, f32 or f64.
    Cpu,
    /// A GPU, f32; f64 where it has that and --precision asks for it.
    Gpu,
}

/// Number type.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrecisionChoice {
    /// Single precision.
    F32,
    /// Double precision; on a GPU only where one is asked for as well.
    F64,
}

/// An optional feature of a GPU.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GpuFeature {
    /// Sums within groups of threads.
    Subgroups,
    /// Compiled kernels kept on disk.
    PipelineCache,
    /// Kernel variants chosen by measuring, kept on disk.
    Tuning,
    /// Kernels in f64: --precision f64 on a GPU is then refused.
    F64,
}

/// An optional feature of a GPU that is off unless asked for.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GpuExtra {
    /// Multiplicative updates by cooperative matrices (tensor cores).
    Cooperative,
}

/// How a GPU stores dense X.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GpuX {
    /// As it is, 4 bytes an entry.
    F32,
    /// As halves, 2 bytes an entry: twice the entries in the same memory; each is rounded by up to 2⁻¹¹ of itself.
    F16,
}

/// Whether X may stay outside the memory of a GPU.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GpuStream {
    /// Where it does not fit.
    Auto,
    /// X that does not fit is refused.
    Never,
    /// Even where it would fit.
    Always,
}

/// The options that every command takes, before or after its name.
#[derive(Args, Debug, Clone, PartialEq, Eq, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where to compute [default: auto]
    #[arg(long, global = true, value_enum)]
    pub(crate) backend: Option<BackendChoice>,
    /// The GPU to use: part of its name, or its number in `nmf-cli devices`
    #[arg(long, global = true, value_name = "NAME|INDEX")]
    pub(crate) adapter: Option<String>,
    /// Check every index and loop inside the GPU's kernels: slower, for a driver under suspicion
    #[arg(long, global = true)]
    pub(crate) gpu_checks: bool,
    /// Optional GPU features to do without: see `nmf-cli devices`
    #[arg(long, global = true, value_name = "FEATURES", value_enum, value_delimiter = ',')]
    pub(crate) gpu_off: Vec<GpuFeature>,
    /// Optional GPU features to use that are off otherwise: see `nmf-cli devices`
    #[arg(long, global = true, value_name = "FEATURES", value_enum, value_delimiter = ',')]
    pub(crate) gpu_on: Vec<GpuExtra>,
    /// GPU memory to use at most, in bytes or with K, M, G or T (of 1024) [default: what is free]
    #[arg(long, global = true, value_name = "BYTES|4G", value_parser = bytes)]
    pub(crate) gpu_memory: Option<u64>,
    /// How a GPU stores dense X; factors and sums are f32 either way [default: f32]
    #[arg(long, global = true, value_enum)]
    pub(crate) gpu_x: Option<GpuX>,
    /// Keep X in the host's memory and send it to the GPU piece by piece in every iteration [default: auto]
    #[arg(long, global = true, value_enum)]
    pub(crate) gpu_stream: Option<GpuStream>,
    /// Runs (restarts, and those of a survey over ranks) that a GPU computes side by side at most; 1: one after the other
    /// [default: as many as keep it busy, up to 64]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) gpu_batch: Option<NonZeroUsize>,
    /// Threads of the CPU backend [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Number type [default: the input's; integers: f32]
    #[arg(long, global = true, value_enum)]
    pub(crate) precision: Option<PrecisionChoice>,
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress, no remarks; warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// A number of bytes, with a unit or without.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kib" => Some(10),
        "m" | "mib" => Some(20),
        "g" | "gib" => Some(30),
        "t" | "tib" => Some(40),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let bytes = number.zip(shift).and_then(|(n, shift)| n.checked_mul(1 << shift));
    bytes.filter(|b| *b > 0).ok_or_else(|| "a positive whole number, alone or with K, M, G or T".into())
}

impl Global {
    /// An option that is about a GPU alone, if one was given.
    pub(crate) fn gpu_option(&self) -> Option<&'static str> {
        [
            (self.adapter.is_some(), "--adapter"),
            (self.gpu_checks, "--gpu-checks"),
            (!self.gpu_off.is_empty(), "--gpu-off"),
            (!self.gpu_on.is_empty(), "--gpu-on"),
            (self.gpu_memory.is_some(), "--gpu-memory"),
            (self.gpu_x.is_some(), "--gpu-x"),
            (self.gpu_stream.is_some(), "--gpu-stream"),
            (self.gpu_batch.is_some(), "--gpu-batch"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }

    /// Refuses options about a GPU beside `--backend cpu`.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.gpu_option() {
            Some("--adapter") if self.backend() == BackendChoice::Cpu => {
                Err(Failure::usage("--adapter chooses a GPU; it does not go with --backend cpu"))
            }
            Some(option) if self.backend() == BackendChoice::Cpu => {
                Err(Failure::usage(format!("{option} is about a GPU; it does not go with --backend cpu")))
            }
            _ => Ok(()),
        }
    }

    /// The backend asked for.
    pub(crate) fn backend(&self) -> BackendChoice {
        self.backend.unwrap_or(BackendChoice::Auto)
    }

    /// The precision to read into: what was asked for, f32 for a GPU, `None` where the file decides. An error for what
    /// f64 excludes on a GPU.
    pub(crate) fn read_precision(&self) -> Result<Option<Precision>, Failure> {
        if self.precision == Some(PrecisionChoice::F64) && self.asks_for_gpu() {
            self.check_f64_on_gpu()?;
        }
        match (self.precision, self.backend()) {
            (Some(PrecisionChoice::F64), _) => Ok(Some(Precision::F64)),
            (Some(PrecisionChoice::F32), _) | (None, BackendChoice::Gpu) => Ok(Some(Precision::F32)),
            (None, _) => Ok(None),
        }
    }

    /// Whether a GPU is wanted, not only allowed.
    pub(crate) fn asks_for_gpu(&self) -> bool {
        self.backend() == BackendChoice::Gpu || (self.backend() == BackendChoice::Auto && self.adapter.is_some())
    }

    /// Refuses what does not go with f64 on a GPU.
    fn check_f64_on_gpu(&self) -> Result<(), Failure> {
        let why = if self.gpu_off.contains(&GpuFeature::F64) {
            "--gpu-off f64 with --precision f64 on a GPU: compute in f32 (--precision f32), or in f64 on the CPU (--backend cpu)"
        } else if self.gpu_x.is_some() {
            "--gpu-x with --precision f64: a GPU then stores X in f64; leave one of the two away"
        } else if !self.gpu_on.is_empty() {
            "--gpu-on cooperative with --precision f64: cooperative matrices have no f64; leave one of the two away"
        } else {
            return Ok(());
        };
        Err(Failure::usage(why))
    }

    /// A remark on stderr; silent with -q.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// A remark on stderr for those who asked with -v.
    pub(crate) fn detail(&self, text: impl std::fmt::Display) {
        if self.verbose {
            eprintln!("{text}");
        }
    }

    /// A warning on stderr, always shown.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        eprintln!("warning: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (text, expected) in
            [("1", 1), ("4096b", 4096), ("3k", 3072), ("2M", 2 << 20), ("4G", 4 << 30), ("1TiB", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0G", "G", "-1", "1.5G", "4 G", "4GG", "4P", "99999999999T", "4Ä", "１"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
