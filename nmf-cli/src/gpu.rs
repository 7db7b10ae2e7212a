//! Adapters as the command line sees them: listed, chosen by name or number, opened.

use crate::args::{Global, GpuExtra, GpuFeature, GpuStream, GpuX};
use crate::failure::Failure;
use etcetera::BaseStrategy;
use nmf_core::{Loss, SolverKind};
use nmf_gpu::{AdapterChoice, Features, GpuOptions, Streaming, Switch, XStorage};
pub(crate) use nmf_gpu::{AdapterInfo, Gpu, Number};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The adapters of this machine; none is an empty list.
pub(crate) fn adapters() -> Vec<AdapterInfo> {
    nmf_gpu::adapters().unwrap_or_default()
}

/// False if this machine surely has no hardware GPU, which is known on Linux without loading any driver (that takes
/// tens of milliseconds and megabytes): every driver talks to the kernel through one of these files.
pub(crate) fn may_have_hardware() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let any = |dir: &str, prefixes: &[&str]| {
        std::fs::read_dir(dir).is_ok_and(|entries| {
            entries.flatten().any(|e| {
                let name = e.file_name();
                let name = name.to_string_lossy();
                prefixes.iter().any(|p| name.starts_with(p))
            })
        })
    };
    any("/dev/dri", &["render"]) || any("/dev", &["nvidia", "dxg", "kgsl", "mali", "kfd", "pvr"])
}

/// What to install where there is no adapter.
pub(crate) const INSTALL: &str = "no GPU adapter was found: install the driver of the graphics card and the Vulkan \
     loader (Debian and Ubuntu: libvulkan1), or the software adapter of the package mesa-vulkan-drivers";

/// Whether this is a card of its own.
pub(crate) fn is_discrete(a: &AdapterInfo) -> bool {
    a.device_type == "DiscreteGpu"
}

/// The adapter that `choice` (part of a name, or a number) stands for; without one the fastest kind.
pub(crate) fn choose<'a>(all: &'a [AdapterInfo], choice: Option<&str>) -> Result<&'a AdapterInfo, Failure> {
    let rank = |a: &&AdapterInfo| match a.device_type.as_str() {
        "DiscreteGpu" => 0,
        "IntegratedGpu" => 1,
        "VirtualGpu" => 2,
        "Cpu" => 4,
        _ => 3,
    };
    if all.is_empty() {
        return Err(Failure::usage(INSTALL));
    }
    let found = match choice {
        None => all.iter().min_by_key(rank),
        Some(text) => match text.parse::<usize>() {
            Ok(index) => all.iter().find(|a| a.index == index),
            Err(_) => all.iter().find(|a| a.name.to_lowercase().contains(&text.to_lowercase())),
        },
    };
    found.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|a| format!("{} {}", a.index, a.name)).collect();
        Failure::usage(format!("--adapter {}: no such adapter; there are: {}", choice.unwrap_or(""), names.join(", ")))
    })
}

/// The folder for what makes the next start faster: `NMF_CACHE_DIR`, none where that is empty, else `nmf` in the
/// user's folder for such files.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    match std::env::var_os("NMF_CACHE_DIR") {
        Some(folder) if folder.is_empty() => None,
        Some(folder) => Some(folder.into()),
        None => etcetera::base_strategy::choose_native_strategy().ok().map(|s| s.cache_dir().join("nmf")),
    }
}

/// How the global options want this adapter opened; `asked` is what becomes of features that they turn on.
fn options(adapter: &AdapterInfo, global: &Global, asked: Switch) -> GpuOptions {
    let switch = |feature| if global.gpu_off.contains(&feature) { Switch::Off } else { Switch::Auto };
    GpuOptions {
        adapter: Some(AdapterChoice::Index(adapter.index)),
        memory: global.gpu_memory,
        // kernels are written not to need them
        checked: global.gpu_checks,
        features: Features {
            subgroups: switch(GpuFeature::Subgroups),
            pipeline_cache: switch(GpuFeature::PipelineCache),
            tuning: switch(GpuFeature::Tuning),
            cooperative: if global.gpu_on.contains(&GpuExtra::Cooperative) { asked } else { Switch::Off },
            double: switch(GpuFeature::F64),
        },
        cache: cache_folder(),
        x_storage: match global.gpu_x {
            Some(GpuX::F16) => XStorage::F16,
            Some(GpuX::F32) | None => XStorage::F32,
        },
        stream: match global.gpu_stream {
            Some(GpuStream::Never) => Streaming::Never,
            Some(GpuStream::Always) => Streaming::Always,
            Some(GpuStream::Auto) | None => Streaming::Auto,
        },
        batch: global.gpu_batch.map(NonZeroUsize::get),
        ..GpuOptions::default()
    }
}

/// Opens an adapter as the global options say; with -v tells which optional features are not in use, and why.
pub(crate) fn open<T: Number>(adapter: &AdapterInfo, global: &Global) -> Result<Gpu<T>, Failure> {
    // an option that cannot be honoured is an error
    let gpu = Gpu::open(&options(adapter, global, Switch::Force))?;
    for feature in gpu.features().iter().filter(|f| !f.why.is_empty()) {
        let how = if feature.used { "used" } else { "not used" };
        global.detail(format!("{}: {} {how}: {}", adapter.name, feature.name, feature.why));
    }
    Ok(gpu)
}

/// Opens an adapter only to see what it would be used with: what cannot be had is listed with its reason.
pub(crate) fn look<T: Number>(adapter: &AdapterInfo, global: &Global) -> Result<Gpu<T>, Failure> {
    Ok(Gpu::open(&options(adapter, global, Switch::Auto))?)
}

/// Why cooperative matrices would serve no update in a factorization of this kind, if so; `sparse` is X with weights too,
/// `sides` are its rows and columns.
pub(crate) fn idle_matrices(
    kind: SolverKind,
    loss: &Loss,
    sparse: bool,
    sides: (usize, usize),
    k: usize,
) -> Option<String> {
    // up to 64 components rows of a factor stay in registers, unless there are fewer than half a workgroup
    const REGISTERS: usize = 64;
    const ROWS: usize = 32;
    if !matches!(kind, SolverKind::Mu | SolverKind::Mue | SolverKind::Gd) {
        Some(format!("they serve the solvers mu, mue and gd, not {kind}"))
    } else if !(loss.is_kl() || loss.is_fro()) {
        Some(format!("they serve kl and fro, not {loss}"))
    } else if sparse {
        Some("they serve dense X without weights".into())
    } else if k <= REGISTERS && sides.0.min(sides.1) >= ROWS {
        Some(format!("they serve more than {REGISTERS} components, not {k}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_that_nothing_uses_are_told_with_the_reason() {
        let (fro, kl, is) = (Loss::FRO, Loss::Beta(1.0), Loss::Beta(0.0));
        let why = |kind, loss, sparse, k| idle_matrices(kind, loss, sparse, (300, 200), k).unwrap_or_default();
        assert_eq!(why(SolverKind::Mu, &kl, false, 65), "");
        assert_eq!(why(SolverKind::Mue, &fro, false, 200), "");
        for (text, word) in [
            (why(SolverKind::EHals, &fro, false, 100), "not ehals"),
            (why(SolverKind::Mu, &is, false, 100), "kl and fro"),
            (why(SolverKind::Mu, &kl, true, 100), "dense"),
            (why(SolverKind::Mu, &kl, false, 64), "not 64"),
        ] {
            assert!(text.contains(word), "{text}");
        }
        // a side too short for rows in registers
        assert_eq!(idle_matrices(SolverKind::Mu, &kl, false, (300, 20), 10), None);
    }
}
