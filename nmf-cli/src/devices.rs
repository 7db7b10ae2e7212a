//! `devices`: the adapters of this machine.

use crate::args::{Global, PrecisionChoice};
use crate::failure::Failure;
use crate::gpu::{self, AdapterInfo};
use crate::text::{self, grouped};
use clap::Args;
use nmf_core::Loss;
use nmf_gpu::{FeatureState, Tuned};
use serde_json::{Map, Value, json};

/// Which optional features an adapter would be used with, under the global options: name, whether, why not. Opens it,
/// because some pass a self-test first.
fn features(adapter: &AdapterInfo, global: &Global) -> Result<Vec<FeatureState>, String> {
    let found = if global.precision == Some(PrecisionChoice::F64) {
        gpu::look::<f64>(adapter, global).map(|gpu| gpu.features().to_vec())
    } else {
        gpu::look::<f32>(adapter, global).map(|gpu| gpu.features().to_vec())
    };
    found.map_err(|e| e.message().to_string())
}

/// `used` and `why_not` (`null` in both where the adapter could not be opened, and `error` says why).
fn features_json(found: &Result<Vec<FeatureState>, String>) -> (Value, Value, Value) {
    match found {
        Ok(list) => {
            let used: Map<String, Value> = list.iter().map(|f| (f.name.into(), json!(f.used))).collect();
            let why: Map<String, Value> =
                list.iter().filter(|f| !f.used).map(|f| (f.name.into(), json!(f.why))).collect();
            (used.into(), why.into(), Value::Null)
        }
        Err(e) => (Value::Null, Value::Null, json!(e)),
    }
}

/// A line on what is used, and one per feature that is not.
fn features_text(found: &Result<Vec<FeatureState>, String>) -> String {
    let list = match found {
        Ok(list) => list,
        Err(e) => return format!("\n  cannot be used: {e}"),
    };
    let used: Vec<&str> = list.iter().filter(|f| f.used).map(|f| f.name).collect();
    let mut out =
        format!("\n  used: {}", if used.is_empty() { "no optional features".into() } else { used.join(", ") });
    for f in list.iter().filter(|f| !f.used) {
        out.push_str(&format!("\n  not used: {} ({})", f.name, f.why));
    }
    out
}

/// Options of `devices`.
#[derive(Args, Debug)]
#[command(
    long_about = "Lists the adapters of this machine: limits, features and which of them are used, which adapter would be chosen.\n\n\
        With --tune it measures instead which variant of each kernel is the fastest on the chosen adapter, for factors of several \
        widths on both sides of X, and keeps the result for later runs on the same adapter and driver. Some seconds on a card, minutes on a \
        software adapter. Results of later runs may then differ in rounding.",
    after_help = "Examples:\n  nmf-cli devices --json\n  nmf-cli devices --tune --adapter 0\n  nmf-cli devices --tune --widths 20 --backend gpu"
)]
pub(crate) struct DevicesArgs {
    /// Measure kernel variants and keep the fastest
    #[arg(long)]
    pub(crate) tune: bool,
    /// Ranks to tune for; each also serves those below down to the next of the default list, 256 all above
    #[arg(long, value_delimiter = ',', default_value = "4,8,12,16,20,24,32,40,48,64,128,256", value_name = "RANKS", requires = "tune",
        value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) widths: Vec<u16>,
}

/// Measures the variants of the chosen adapter's kernels.
fn tune(args: &DevicesArgs, global: &Global) -> Result<(), Failure> {
    if gpu::cache_folder().is_none() {
        return Err(Failure::usage("devices --tune: NMF_CACHE_DIR is empty, so that nothing would be kept"));
    }
    let all = gpu::adapters();
    let adapter = gpu::choose(&all, global.adapter.as_deref())?;
    let widths: Vec<usize> = args.widths.iter().map(|w| usize::from(*w)).collect();
    let losses = [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5)];
    let mut found = Vec::new();
    let told = |t: &Tuned| {
        global.note(format!("{}: {}", t.class, Tuned::words(t.choice)));
        found.push(t.clone());
    };
    if global.precision == Some(PrecisionChoice::F64) {
        gpu::open::<f64>(adapter, global)?.tune(&widths, &losses, told)?;
    } else {
        gpu::open::<f32>(adapter, global)?.tune(&widths, &losses, told)?;
    }
    if global.json {
        let list: Vec<Value> = found
            .iter()
            .map(|t| {
                let (seconds, default_seconds) = t.seconds;
                json!({
                    "class": t.class, "choice": Tuned::words(t.choice), "default": Tuned::words(t.default), "seconds": seconds,
                    "default_seconds": default_seconds,
                })
            })
            .collect();
        return text::print_json(&json!({ "adapter": adapter.name, "tuned": list }));
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|t| {
            let (best, default) = t.seconds;
            let (ms, gain) = (text::number(1e3 * best), format!("{:.2}", default / best));
            vec![t.class.clone(), Tuned::words(t.choice), ms, Tuned::words(t.default), gain]
        })
        .collect();
    let table = text::table(&["pass", "fastest", "ms", "without tuning", "gain"], &rows, 2);
    text::print(&format!("{table}\n\nkept for {}", adapter.name))
}

/// Lists the adapters, or tunes one.
pub(crate) fn run(args: &DevicesArgs, global: &Global) -> Result<(), Failure> {
    if args.tune {
        return tune(args, global);
    }
    let all = gpu::adapters();
    // without adapters there is nothing to choose from, and that is no error here
    let chosen = if all.is_empty() { None } else { Some(gpu::choose(&all, global.adapter.as_deref())?.index) };
    if global.json {
        let list: Vec<Value> = all
            .iter()
            .map(|a| {
                let limits: Map<String, Value> = a.limits.iter().map(|(k, v)| ((*k).to_string(), json!(v))).collect();
                let (used, why_not, error) = features_json(&features(a, global));
                json!({
                    "index": a.index, "name": a.name, "backend": a.backend, "device_type": a.device_type,
                    "driver": a.driver, "limits": limits, "features": a.features, "chosen": Some(a.index) == chosen,
                    "used": used, "why_not": why_not, "error": error,
                })
            })
            .collect();
        return text::print_json(&json!({ "adapters": list }));
    }
    if all.is_empty() {
        return text::print(&format!("{}.\nEverything runs on the CPU until then.", gpu::INSTALL));
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|a| {
            let mark = if Some(a.index) == chosen { "*" } else { "" };
            let kind = if a.software { format!("{} (software)", a.device_type) } else { a.device_type.clone() };
            vec![mark.into(), a.index.to_string(), a.name.clone(), a.backend.clone(), kind, a.driver.clone()]
        })
        .collect();
    let mut out = text::table(&["", "index", "name", "backend", "type", "driver"], &rows, 6);
    out.push_str(
        "\n\n* is taken by --backend gpu; --backend auto takes it only if it is hardware and the work is large enough",
    );
    for a in &all {
        out.push_str(&format!("\n\nlimits of {} {}", a.index, a.name));
        for (name, value) in &a.limits {
            out.push_str(&format!("\n  {name:<40} {:>20}", grouped(*value)));
        }
        if global.verbose {
            out.push_str(&format!("\n  features: {}", a.features.join(", ")));
        } else {
            out.push_str(&format!("\n  {} features (-v lists them)", a.features.len()));
        }
        out.push_str(&features_text(&features(a, global)));
    }
    text::print(&out)
}
