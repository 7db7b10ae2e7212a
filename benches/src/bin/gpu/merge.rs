//! One table of ours and the peers': `results.json` beside what `peers.py` wrote.

use crate::Failure;
use crate::report::digits;
use serde_json::Value;
use std::fmt::Write;

/// The numbers a peer can have for a case, and their headings.
const PEERS: [(&str, &str); 3] =
    [("torch_fp32", "PyTorch FP32"), ("torch_tf32", "PyTorch TF32"), ("cupy", "CuPy FP32")];

fn number(v: &Value, key: &str) -> Option<f64> {
    v.get(key).and_then(Value::as_f64)
}

fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The case of the peers that has our matrix, rank and loss. Stored entries may differ by what "about" means.
fn partner<'a>(ours: &Value, peers: &'a Value) -> Option<&'a Value> {
    list(peers, "cases").iter().find(|p| {
        ["m", "n", "k", "loss"].iter().all(|key| p.get(*key) == ours.get(*key))
            && p.get("stored").is_some_and(Value::is_null) == ours.get("stored").is_some_and(Value::is_null)
    })
}

/// The page, and a few lines that say it all.
pub(crate) fn summary(ours: &Value, peers: Option<&Value>) -> Result<(String, String), Failure> {
    let none = Value::Null;
    let peers = peers.unwrap_or(&none);
    let name = ours["adapter"]["name"].as_str().ok_or("results.json has no adapter")?;
    let mut page = format!("# {name}\n\n| ceiling | |\n|---|---|\n");
    let ceilings = &ours["ceilings"];
    let mut ceiling = |what: &str, value: Option<f64>, unit: f64, name: &str| {
        if let Some(v) = value {
            let _ = writeln!(page, "| {what} | {} {name} |", digits(v / unit));
        }
    };
    ceiling("our multiply-adds", number(ceilings, "fma_flops"), 1e12, "TFLOP/s");
    ceiling("our copy", number(ceilings, "copy_bytes"), 1e9, "GB/s");
    let theirs = &peers["ceilings"];
    ceiling("cuBLAS FP32", number(theirs, "cublas_fp32_flops"), 1e12, "TFLOP/s");
    ceiling("cuBLAS TF32", number(theirs, "cublas_tf32_flops"), 1e12, "TFLOP/s");
    ceiling("PyTorch's copy", number(theirs, "copy_bytes"), 1e9, "GB/s");
    let mut short = page.clone();
    for note in list(peers, "notes").iter().filter_map(Value::as_str) {
        let _ = writeln!(page, "\n{note}");
    }
    page.push_str("\nMilliseconds per iteration; a ratio above 1 says that ours is faster.\n\n| X | k | loss | ours | of the nearer ceiling |");
    for (_, heading) in PEERS {
        let _ = write!(page, " {heading} | ratio |");
    }
    page.push_str(" CPU | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    let records = list(ours, "records");
    let is = |r: &&Value, device: &str| r["what"] == "iteration" && r["device"] == device;
    let mut ratios: Vec<(u64, f64)> = Vec::new();
    for r in records.iter().filter(|r| is(r, "gpu")) {
        let seconds = number(r, "seconds").ok_or("a record has no seconds")?;
        let kind = if r["stored"].is_null() { "dense" } else { "sparse" };
        let _ = write!(
            page,
            "| {kind} {}x{} | {} | {} | {} | {:.0} % |",
            r["m"],
            r["n"],
            r["k"],
            r["loss"].as_str().unwrap_or(""),
            digits(seconds * 1e3),
            100.0 * number(r, "share_of_ceiling").unwrap_or(f64::NAN)
        );
        let beside = partner(r, peers);
        let mut pair = |other: Option<f64>| match other {
            Some(s) => write!(page, " {} | {} |", digits(s * 1e3), digits(s / seconds)),
            None => write!(page, " | |"),
        };
        for (key, _) in PEERS {
            pair(beside.and_then(|b| number(b, key)))?;
        }
        let same = |c: &&Value| ["m", "n", "stored", "k", "loss"].iter().all(|key| c[*key] == r[*key]);
        let cpu = records.iter().filter(|c| is(c, "cpu")).find(same);
        pair(cpu.and_then(|c| number(c, "seconds")))?;
        page.push('\n');
        if let (Some(s), Some(k)) = (beside.and_then(|b| number(b, "torch_fp32")), r["k"].as_u64()) {
            ratios.push((k, s / seconds));
        }
    }
    let _ = writeln!(short, "\nPyTorch FP32 : ours, by k (least, median, most):");
    let mut ks: Vec<u64> = ratios.iter().map(|r| r.0).collect();
    ks.sort_unstable();
    ks.dedup();
    for k in &ks {
        let mut of: Vec<f64> = ratios.iter().filter(|r| r.0 == *k).map(|r| r.1).collect();
        of.sort_by(f64::total_cmp);
        let wanted = match k {
            0..=32 => "≥ 2 wanted",
            33..=128 => "≥ 1 wanted",
            _ => "",
        };
        let _ = writeln!(short, "  k = {k:>3}: {:.2} {:.2} {:.2}  {wanted}", of[0], of[of.len() / 2], of[of.len() - 1]);
    }
    if ks.is_empty() {
        short.push_str("  nothing to compare with\n");
    }
    let targets = list(ours, "targets");
    let met = targets.iter().filter(|t| t["met"] == true).count();
    let _ = writeln!(short, "\n{met} of {} targets of the ceilings met (results.md)", targets.len());
    Ok((page, short))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cases_meet_their_partners_and_nothing_else() {
        let case = |k: u64, device: &str, seconds: f64| {
            json!({"what": "iteration", "device": device, "m": 10, "n": 5, "stored": null, "k": k, "loss": "kl",
                "seconds": seconds, "share_of_ceiling": 0.5})
        };
        let ours = json!({"adapter": {"name": "card"}, "ceilings": {"fma_flops": 5e12, "copy_bytes": 1e12},
            "records": [case(8, "gpu", 1e-3), case(8, "cpu", 0.1), case(64, "gpu", 2e-3)]});
        let peers = json!({"notes": ["CuPy: not installed"], "ceilings": {"cublas_fp32_flops": 4e12},
            "cases": [{"m": 10, "n": 5, "stored": null, "k": 8, "loss": "kl", "torch_fp32": 3e-3},
                      {"m": 10, "n": 5, "stored": 7, "k": 64, "loss": "kl", "torch_fp32": 3e-3}]});
        let (page, short) = summary(&ours, Some(&peers)).unwrap();
        assert!(page.contains("| dense 10x5 | 8 | kl | 1.00 | 50 % | 3.00 | 3.00 | | | | | 100 | 100 |"), "{page}");
        assert!(page.contains("| dense 10x5 | 64 | kl | 2.00 | 50 % | | | | | | | | |"), "{page}");
        assert!(page.contains("CuPy: not installed") && page.contains("| cuBLAS FP32 | 4.00 TFLOP/s |"));
        assert!(short.contains("k =   8: 3.00 3.00 3.00") && !short.contains("k =  64"), "{short}");
        assert!(summary(&ours, None).unwrap().1.contains("nothing to compare with"));
        assert!(summary(&json!({}), None).is_err());
    }
}
