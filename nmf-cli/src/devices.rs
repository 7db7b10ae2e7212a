//! `devices`: the adapters of this machine.

use crate::args::Global;
use crate::failure::Failure;
use crate::gpu;
use crate::text::{self, grouped};
use serde_json::{Map, Value, json};

/// Lists the adapters.
pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let all = gpu::adapters();
    // without adapters there is nothing to choose from, and that is no error here
    let chosen = if all.is_empty() { None } else { Some(gpu::choose(&all, global.adapter.as_deref())?.index) };
    if global.json {
        let list: Vec<Value> = all
            .iter()
            .map(|a| {
                let limits: Map<String, Value> = a.limits.iter().map(|(k, v)| ((*k).to_string(), json!(v))).collect();
                json!({
                    "index": a.index, "name": a.name, "backend": a.backend, "device_type": a.device_type,
                    "driver": a.driver, "limits": limits, "features": a.features, "chosen": Some(a.index) == chosen,
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
    }
    text::print(&out)
}
