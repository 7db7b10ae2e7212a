//! Which way of a dense pass is the fastest on this device, beside the one that is taken without measuring.

use crate::measure::Session;
use crate::report::digits;
use nmf_core::{Loss, Result};
use nmf_gpu::{Features, Gpu, GpuOptions, Switch, Tuned};

/// The measured classes of passes for each rank, as `devices --tune` would keep them; here nothing is kept. On a software adapter
/// only where asked for by name: it takes minutes there.
pub(crate) fn all(s: &mut Session, options: &GpuOptions, ks: &[usize], losses: &[Loss], software: bool) -> Vec<Tuned> {
    let mut found = Vec::new();
    for k in ks {
        let name = format!("ways k={k}");
        if !s.wants(&name) || (software && !s.names("ways")) {
            continue;
        }
        if s.is_over() {
            s.leave_out(name, "the time is up (--budget)");
            continue;
        }
        if let Err(e) = of_rank(options, *k, losses, &mut found) {
            s.leave_out(name, e.to_string());
        }
    }
    found
}

fn of_rank(options: &GpuOptions, k: usize, losses: &[Loss], found: &mut Vec<Tuned>) -> Result<()> {
    let features = Features { tuning: Switch::Auto, ..options.features };
    let mut b = Gpu::new(&GpuOptions { features, cache: None, ..options.clone() })?;
    b.tune(&[k], losses, |t| {
        let (best, default) = t.seconds;
        println!(
            "  way of {}: {} {} ms{}",
            t.class,
            Tuned::words(t.choice),
            digits(best * 1e3),
            if t.choice == t.default {
                String::new()
            } else {
                format!(", by the rule {} {} ms", Tuned::words(t.default), digits(default * 1e3))
            }
        );
        found.push(t.clone());
    })
}
