//! The backend a command runs on: chosen at run time, held in one enum over CPU and GPU, f32 and f64.
//!
//! `auto` takes a hardware GPU if the time estimated for it ([`crate::estimate`]) is below the CPU's, and says why;
//! it never takes a software adapter, and never a GPU for f64: that is for those who ask for both.

use crate::args::{BackendChoice, Global, PrecisionChoice};
use crate::estimate::{GPU_START, Needs, Work};
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::gpu::{self, AdapterInfo, Gpu};
use crate::known::{Known, Weights};
use crate::text::seconds;
use nmf_core::SolverKind;
use nmf_cpu::{Cpu, Real};
use nmf_io::{Loaded, Precision};

/// An open backend.
pub(crate) enum Engine {
    /// The CPU in single precision.
    CpuF32(Cpu<f32>),
    /// The CPU in double precision.
    CpuF64(Cpu<f64>),
    /// A GPU in single precision.
    Gpu(Box<Gpu>),
    /// A GPU in double precision.
    GpuF64(Box<Gpu<f64>>),
}

/// Runs the same generic code on whatever backend is open: `on_engine!(engine, loaded, |b, table| code)` gives the
/// code a `&mut` backend `b` and the table in the precision of the backend (converted if it has another one).
macro_rules! on_engine {
    ($engine:expr, $loaded:expr, |$b:ident, $table:ident| $code:expr) => {
        match $engine {
            $crate::session::Engine::CpuF32($b) => {
                let $table = $loaded.into_f32();
                $code
            }
            $crate::session::Engine::CpuF64($b) => {
                let $table = $loaded.into_f64();
                $code
            }
            $crate::session::Engine::Gpu(gpu) => {
                let $table = $loaded.into_f32();
                let $b = &mut **gpu;
                $code
            }
            $crate::session::Engine::GpuF64(gpu) => {
                let $table = $loaded.into_f64();
                let $b = &mut **gpu;
                $code
            }
        }
    };
}
pub(crate) use on_engine;

/// The CPU backend with the threads asked for.
pub(crate) fn cpu<T: Real>(global: &Global) -> Result<Cpu<T>, Failure> {
    Ok(match global.threads {
        Some(n) => Cpu::with_threads(n.get())?,
        None => Cpu::new()?,
    })
}

/// CPU backends of one thread each, for work that is done side by side; all take what one of them has uploaded.
pub(crate) fn single_threaded<T: Real>(count: usize) -> Result<Vec<Cpu<T>>, Failure> {
    (0..count.max(1)).map(|_| Ok(Cpu::with_threads(1)?)).collect()
}

/// Threads the CPU backend would use.
pub(crate) fn threads(global: &Global) -> usize {
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    global.threads.map_or(all, std::num::NonZeroUsize::get)
}

/// Refuses work that this machine's free memory surely cannot hold (where the system tells how much there is): better a
/// sentence now than an abort later.
pub(crate) fn check_memory(work: &Work) -> Result<(), Failure> {
    let Some(available) = available_bytes() else { return Ok(()) };
    let needed = work.bytes() + work.factor_bytes();
    if needed <= available {
        return Ok(());
    }
    let gib = |b: f64| b / f64::from(1 << 30);
    Err(Failure::usage(format!(
        "{}×{} at {} needs about {:.1} GiB of memory, {:.1} GiB are free: take fewer components or a smaller matrix",
        work.rows,
        work.cols,
        crate::patterns::size(work.rank, work.needs.options.shifts),
        gib(needed),
        gib(available)
    )))
}

/// Memory that can be had without swapping.
pub(crate) fn available_bytes() -> Option<f64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kb: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb * 1024.0)
}

/// What was decided, and why.
enum Choice {
    Cpu(String),
    Gpu(AdapterInfo, String),
}

impl Engine {
    /// Opens the backend for this work, by the global options; says on stderr what `auto` chose and why.
    pub(crate) fn open(global: &Global, work: &Work) -> Result<Engine, Failure> {
        check_memory(work)?;
        let why = match decide(global, work)? {
            Choice::Gpu(adapter, why) => {
                let gpu = Engine::open_gpu(global, &adapter, work.precision)?;
                // nobody asked for a GPU: what it cannot do, or not well, goes to the CPU
                let free = global.backend() == BackendChoice::Auto && global.adapter.is_none();
                match gpu.refuses(work).or_else(|| gpu.is_unfit_for(work)).filter(|_| free) {
                    Some(refused) => format!("the GPU is not taken: {refused}"),
                    None => {
                        if global.backend() == BackendChoice::Auto {
                            global.note(format!("backend: gpu, {} ({why})", adapter.name));
                        }
                        return Ok(gpu);
                    }
                }
            }
            Choice::Cpu(why) => why,
        };
        if global.backend() == BackendChoice::Auto {
            global.note(format!("backend: cpu ({why})"));
        }
        Ok(match work.precision {
            Precision::F32 => Engine::CpuF32(cpu(global)?),
            Precision::F64 => Engine::CpuF64(cpu(global)?),
        })
    }

    fn refuses(&self, work: &Work) -> Option<String> {
        match self {
            Engine::CpuF32(c) => work.refused_by(c),
            Engine::CpuF64(c) => work.refused_by(c),
            Engine::Gpu(g) => work.refused_by(&**g),
            Engine::GpuF64(g) => work.refused_by(&**g),
        }
    }

    fn is_unfit_for(&self, work: &Work) -> Option<String> {
        match self {
            Engine::CpuF32(c) => work.unfit_for(c),
            Engine::CpuF64(c) => work.unfit_for(c),
            Engine::Gpu(g) => work.unfit_for(&**g),
            Engine::GpuF64(g) => work.unfit_for(&**g),
        }
    }

    fn solver_for(&self, work: &Work) -> SolverKind {
        match self {
            Engine::CpuF32(c) => work.solver_on(c),
            Engine::CpuF64(c) => work.solver_on(c),
            Engine::Gpu(g) => work.solver_on(&**g),
            Engine::GpuF64(g) => work.solver_on(&**g),
        }
    }

    /// In f64 where that was asked for; matrices that are f64 by themselves are converted.
    fn open_gpu(global: &Global, adapter: &AdapterInfo, precision: Precision) -> Result<Engine, Failure> {
        if adapter.software {
            global.warn(format!(
                "{} is a software adapter: it computes on the CPU, slower than --backend cpu",
                adapter.name
            ));
        }
        let double = precision == Precision::F64 && global.precision == Some(PrecisionChoice::F64);
        Ok(if double {
            Engine::GpuF64(Box::new(gpu::open(adapter, global)?))
        } else {
            Engine::Gpu(Box::new(gpu::open(adapter, global)?))
        })
    }

    /// "gpu", "gpu in f64", "cpu in f32" or "cpu in f64".
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Engine::CpuF32(_) => "cpu in f32",
            Engine::CpuF64(_) => "cpu in f64",
            Engine::Gpu(_) => "gpu",
            Engine::GpuF64(_) => "gpu in f64",
        }
    }

    /// The backend that cross-checks this one: a GPU (hardware or software) after a CPU if there is one that can do this
    /// work; the CPU in the other precision otherwise, f64 after a GPU.
    pub(crate) fn open_other(&self, global: &Global, work: &Work) -> Result<Engine, Failure> {
        if !matches!(self, Engine::Gpu(_) | Engine::GpuF64(_)) {
            let all = gpu::adapters();
            if !all.is_empty() {
                let gpu = Engine::open_gpu(global, gpu::choose(&all, global.adapter.as_deref())?, Precision::F32)?;
                // what cannot be done here either is refused here, with everything known
                let same = Needs { solver: self.solver_for(work), ..work.needs };
                let refused = gpu.refuses(&Work { needs: same, ..work.clone() });
                match refused.filter(|_| self.refuses(work).is_none()) {
                    None => return Ok(gpu),
                    Some(why) => global.note(format!("the cross-check is not done on the GPU: {why}")),
                }
            }
        }
        Ok(match self {
            Engine::CpuF64(_) => Engine::CpuF32(cpu(global)?),
            _ => Engine::CpuF64(cpu(global)?),
        })
    }
}

/// What a matrix and its options amount to, for the choice of a backend.
pub(crate) fn work(loaded: &Loaded, fit: &FitOptions, known: &Known) -> Work {
    let (rows, cols) = loaded.dim();
    // sparse weights make X sparse: what is not stored there is unknown
    let weights = known.weights.as_ref();
    let sparse = loaded.is_sparse() || weights.is_some_and(Weights::is_sparse);
    Work {
        rows,
        cols,
        stored: weights.filter(|_| sparse).map_or(loaded.stored(), |w| w.positive),
        sparse,
        rank: fit.rank,
        iterations: fit.max_iter.saturating_mul(fit.restarts),
        loss: fit.loss(),
        precision: loaded.precision(),
        needs: Needs {
            solver: fit.method.kind(),
            options: fit.options(),
            observed: known.observed(),
            weights: weights.is_some_and(|w| !w.only_ones),
        },
    }
}

fn decide(global: &Global, work: &Work) -> Result<Choice, Failure> {
    // what f64 excludes was refused when the precision to read into was asked for; this also serves those who did not
    global.read_precision()?;
    match global.backend() {
        BackendChoice::Cpu => Ok(Choice::Cpu(String::new())),
        BackendChoice::Gpu => {
            let all = gpu::adapters();
            Ok(Choice::Gpu(gpu::choose(&all, global.adapter.as_deref())?.clone(), String::new()))
        }
        BackendChoice::Auto => {
            if global.adapter.is_some() {
                let all = gpu::adapters();
                let adapter = gpu::choose(&all, global.adapter.as_deref())?.clone();
                return Ok(Choice::Gpu(adapter, "asked for by --adapter".into()));
            }
            if work.precision == Precision::F64 {
                return Ok(Choice::Cpu(
                    "the input is f64, which most GPUs compute far slower than f32; --precision f32 would allow one"
                        .into(),
                ));
            }
            let cpu = work.cpu_seconds(threads(global));
            if cpu < GPU_START {
                return Ok(Choice::Cpu(format!("about {} of work, less than a GPU takes to start", seconds(cpu))));
            }
            let all = if gpu::may_have_hardware() { gpu::adapters() } else { Vec::new() };
            let Some(adapter) = gpu::choose(&all, None).ok().filter(|a| !a.software) else {
                return Ok(Choice::Cpu("there is no hardware GPU".into()));
            };
            let on_gpu = work.gpu_seconds(gpu::is_discrete(adapter));
            let why = format!("estimated {} on the GPU, {} on the CPU", seconds(on_gpu), seconds(cpu));
            Ok(if on_gpu < cpu { Choice::Gpu(adapter.clone(), why) } else { Choice::Cpu(why) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{GpuExtra, GpuFeature, GpuX};
    use nmf_core::Loss;

    fn small(precision: Precision) -> Work {
        let (loss, needs) = (Loss::FRO, Needs::default());
        Work { rows: 9, cols: 12, stored: 108, sparse: false, rank: 3, iterations: 200, loss, precision, needs }
    }

    #[test]
    fn auto_keeps_small_and_f64_work_on_the_cpu() {
        let global = Global::default();
        for (precision, word) in [(Precision::F32, "less than a GPU takes"), (Precision::F64, "the input is f64")] {
            match decide(&global, &small(precision)) {
                Ok(Choice::Cpu(why)) => assert!(why.contains(word), "{why}"),
                _ => panic!("the GPU was chosen"),
            }
        }
    }

    #[test]
    fn what_f64_excludes_on_a_gpu_is_refused() {
        let (backend, precision) = (Some(BackendChoice::Gpu), Some(PrecisionChoice::F64));
        let global = Global { backend, precision, ..Global::default() };
        assert_eq!(global.read_precision().unwrap(), Some(Precision::F64));
        for (wrong, word) in [
            (Global { gpu_off: vec![GpuFeature::F64], ..global.clone() }, "--gpu-off f64"),
            (Global { gpu_x: Some(GpuX::F16), ..global.clone() }, "--gpu-x"),
            (Global { gpu_on: vec![GpuExtra::Cooperative], ..global.clone() }, "--gpu-on cooperative"),
        ] {
            let by_adapter = Global { backend: None, adapter: Some("0".into()), ..wrong.clone() };
            for asked in [&wrong, &by_adapter] {
                let Err(e) = decide(asked, &small(Precision::F64)) else { panic!("accepted") };
                assert_eq!(e.code(), 2);
                assert!(e.message().contains(word), "{}", e.message());
            }
            // where no GPU is asked for none computes in f64
            let auto = Global { backend: None, ..wrong };
            assert!(matches!(decide(&auto, &small(Precision::F64)), Ok(Choice::Cpu(_))));
        }
    }
}
