//! The ladder of optional device features: what is asked for, what the adapter offers, what passed its self-test.

use crate::cache::Tuning;
use crate::cooperative;
use crate::device::{Device, GpuOptions, lacking_for_double};
use crate::pipeline::Pipelines;
use crate::pool::Pool;
use crate::queue::{Counters, Params, Stream};
use nmf_core::{Error, Result};
use nmf_shaders::{Kernel, Matrices};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What to do with an optional feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// Used where it is there and works.
    #[default]
    Auto,
    /// Not used.
    Off,
    /// An error where it cannot be used.
    Force,
}

/// The optional features. None is needed: each has a fallback that computes the same, but for [`Self::double`], which is another precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Sums across threads within subgroups (sizes 4 to 64) instead of through workgroup memory. `Auto` uses them after
    /// a self-test. Results differ in rounding only.
    pub subgroups: Switch,
    /// Compiled kernels kept in [`GpuOptions::cache`], where the driver offers it (Vulkan).
    pub pipeline_cache: Switch,
    /// Choices of kernel variants made by measuring, kept in [`GpuOptions::cache`] (for the life of the `Gpu` where
    /// there is none, which `Force` refuses).
    pub tuning: Switch,
    /// Cooperative matrices (tensor cores, simdgroup matrices) for multiplicative updates of dense X for β = 1 and 2 with more
    /// components than fit registers (above 64, or fewer on few rows). An experiment of wgpu, so `Off` by default; `Auto` uses
    /// them after a self-test, with subgroups. Where the device has them for halves only, every number is a pair of halves with a
    /// common power of two for 32×32 of them: it loses at most 2⁻²¹ of itself, or 2⁻⁴⁹ of the largest among them where
    /// that is more. Sums are f32. So products are right to 2⁻¹⁹, unless components differ in size by more than 2²⁸; numerators
    /// for β = 1 to 2⁻¹⁴ at worst, where ratios are about 1 but for some whose model is zero.
    pub cooperative: Switch,
    /// Kernels in f64, for a [`crate::Gpu`] of f64 alone, which `Off` refuses. It goes without subgroups and cooperative matrices.
    pub double: Switch,
}

impl Default for Features {
    /// All that can be had, less experiments.
    fn default() -> Self {
        let (subgroups, pipeline_cache, tuning) = (Switch::Auto, Switch::Auto, Switch::Auto);
        Features { subgroups, pipeline_cache, tuning, cooperative: Switch::Off, double: Switch::Auto }
    }
}

/// Whether an optional feature is in use on an open device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureState {
    /// `subgroups`, `cooperative`, `pipeline-cache`, `tuning` or `f64`.
    pub name: &'static str,
    /// Whether it is in use.
    pub used: bool,
    /// Why not; a remark where it is.
    pub why: String,
}

/// A device with the features that work on it.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) tuning: Tuning,
    pub(crate) states: Vec<FeatureState>,
}

/// Opens a device, climbing as far as `options` want and the self-test allows.
pub(crate) fn open(options: &GpuOptions, double: bool) -> Result<Opened> {
    open_after(options, double, self_test, cooperative::trial)
}

fn open_after(
    options: &GpuOptions,
    double: bool,
    trial: impl Fn(&mut Stream) -> Result<()>,
    matrices: impl Fn(&mut Stream) -> Result<Matrices>,
) -> Result<Opened> {
    let (stream, subgroups, cooperative, pipeline_cache) = if double {
        let (stream, cache) = start(options, false, false, true)?;
        let without = |name| FeatureState { name, used: false, why: "not with f64".into() };
        (stream, without("subgroups"), without("cooperative"), cache)
    } else {
        let (stream, subgroups, cache) = with_subgroups(options, trial)?;
        let (stream, cooperative, cache) = with_matrices(options, (stream, cache), matrices)?;
        (stream, subgroups, cooperative, cache)
    };
    let (tuning, tuned) = tuning(options, &stream.device);
    let states = vec![subgroups, cooperative, pipeline_cache, tuned, double_state(options, &stream.device)];
    let Features { subgroups, pipeline_cache, tuning: tuned, cooperative, double } = options.features;
    let switches = [subgroups, cooperative, pipeline_cache, tuned, double];
    for (state, switch) in states.iter().zip(switches) {
        if switch == Switch::Force && !state.used {
            return Err(Error::Unsupported(format!("{} on {}: {}", state.name, stream.device.info.name, state.why)));
        }
    }
    Ok(Opened { stream, tuning, states })
}

/// A device with or without subgroups, cooperative matrices and f64, and its compiled kernels of former times.
fn start(options: &GpuOptions, subgroups: bool, matrices: bool, double: bool) -> Result<(Stream, FeatureState)> {
    let mut stream = Stream::new(Device::new(options, subgroups, matrices, double)?)?;
    let (pipelines, state) = Pipelines::open(&stream.device, options);
    stream.pipelines = pipelines;
    Ok((stream, state))
}

fn with_subgroups(
    options: &GpuOptions,
    trial: impl Fn(&mut Stream) -> Result<()>,
) -> Result<(Stream, FeatureState, FeatureState)> {
    let state = |used, why: &str| FeatureState { name: "subgroups", used, why: why.into() };
    let wanted = options.features.subgroups != Switch::Off;
    let started = match start(options, wanted, options.features.cooperative != Switch::Off, false) {
        // the driver may refuse an experimental feature that it offers
        Err(_) if options.features.cooperative == Switch::Auto => start(options, wanted, false, false),
        other => other,
    };
    let (mut stream, cache) = started?;
    if !wanted {
        return Ok((stream, state(false, "switched off"), cache));
    }
    if !stream.device.ladder.subgroups {
        return Ok((stream, state(false, "the adapter does not offer them"), cache));
    }
    match trial(&mut stream) {
        Ok(()) => {
            // opening is no work that anybody asked for
            stream.counters = Counters::default();
            Ok((stream, state(true, ""), cache))
        }
        Err(e) if options.features.subgroups == Switch::Force => Err(e),
        // what failed may have taken the device with it
        Err(e) => {
            drop(stream);
            let (stream, cache) = start(options, false, false, false)?;
            Ok((stream, state(false, &e.to_string()), cache))
        }
    }
}

/// The same device with cooperative matrices where they are wanted, offered and right.
fn with_matrices(
    options: &GpuOptions,
    (mut stream, cache): (Stream, FeatureState),
    trial: impl Fn(&mut Stream) -> Result<Matrices>,
) -> Result<(Stream, FeatureState, FeatureState)> {
    let state = |used, why: &str| FeatureState { name: "cooperative", used, why: why.into() };
    let why = if options.features.cooperative == Switch::Off {
        "off unless asked for"
    } else if !stream.device.ladder.subgroups {
        "they need subgroups"
    } else if stream.device.offered.is_empty() {
        "the adapter does not offer them in a form that kernels exist for"
    } else {
        ""
    };
    if !why.is_empty() {
        return Ok((stream, state(false, why), cache));
    }
    match trial(&mut stream) {
        Ok(form) => {
            stream.device.matrices = Some(form);
            stream.counters = Counters::default();
            let why = format!("matrices of {}", stream.device.form().unwrap_or_default());
            Ok((stream, state(true, &why), cache))
        }
        Err(e) if options.features.cooperative == Switch::Force => Err(e),
        Err(e) => {
            drop(stream);
            let (stream, cache) = start(options, true, false, false)?;
            Ok((stream, state(false, &e.to_string()), cache))
        }
    }
}

/// Whether kernels are in f64, or whether they could be.
fn double_state(options: &GpuOptions, device: &Device) -> FeatureState {
    let state = |used, why: String| FeatureState { name: "f64", used, why };
    if device.ladder.double {
        return state(true, "without subgroups and cooperative matrices".into());
    }
    let lacking = lacking_for_double(&device.info);
    if options.features.double == Switch::Off {
        state(false, "switched off".into())
    } else if lacking.is_empty() {
        state(false, "offered; used by a backend opened in f64".into())
    } else {
        state(false, format!("the adapter lacks {}", lacking.join(", ")))
    }
}

fn tuning(options: &GpuOptions, device: &Device) -> (Tuning, FeatureState) {
    let state = |used, why: &str| FeatureState { name: "tuning", used, why: why.into() };
    let folder = options.cache.as_deref();
    match (options.features.tuning, folder) {
        (Switch::Off, _) => (Tuning::off(), state(false, "switched off")),
        (Switch::Force, None) => (Tuning::off(), state(false, "there is no folder to keep choices in")),
        _ => {
            // with checks, or with other sums, another variant may be the fastest
            let (checked, subgroups) = (device.checked, device.ladder.subgroups);
            let matrices = device.form().map(|form| format!("; matrices {form}")).unwrap_or_default();
            let key = format!("tuning; {}; checks {checked}; subgroups {subgroups}{matrices}", device.key);
            let why = if folder.is_none() { "kept in memory only: there is no folder for it" } else { "" };
            (Tuning::open(folder, &key), state(true, why))
        }
    }
}

/// Widths that kernels sum parts over.
const WIDTHS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Workgroups per width.
const GROUPS: u32 = 4;
/// Values per workgroup: one of each sum per thread.
const VALUES: usize = 128;

/// Sums across the threads of a workgroup on this device, against what they must be. Once per process and device.
fn self_test(stream: &mut Stream) -> Result<()> {
    static PASSED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let key = format!("{} {} {}", stream.device.info.index, stream.device.checked, stream.device.key);
    if PASSED.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|p| p.contains(&key)) {
        return Ok(());
    }
    let values = WIDTHS.len() * GROUPS as usize * VALUES;
    let buf = Pool::new(None).get(&stream.device, "the self-test of subgroups", 16 * values as u64)?;
    for (i, width) in WIDTHS.into_iter().enumerate() {
        let params = Params { width, out0: i as u32 * GROUPS, ..Params::default() };
        stream.run(Kernel::SelfTest, &[&buf], params, GROUPS.into(), 4096.0)?;
    }
    let landing = stream.land(&[(&buf, 0, 16 * values as u64)])?;
    let found: Vec<[f32; 4]> = stream.take(landing)?;
    if !sums_are_right(&found) {
        let device = &stream.device.info;
        return Err(Error::Device(format!("subgroups of {} ({}) fail the self-test", device.name, device.driver)));
    }
    PASSED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(key);
    Ok(())
}

/// What `self_test.wgsl` must have written, in whole numbers below 2²⁴.
fn sums_are_right(found: &[[f32; 4]]) -> bool {
    let blocks = WIDTHS.iter().flat_map(|w| (0..GROUPS).map(move |g| (*w, g)));
    found.len() == WIDTHS.len() * GROUPS as usize * VALUES
        && found.chunks_exact(VALUES).zip(blocks).all(|(block, (width, g))| {
            let parts =
                |of: &dyn Fn(u32) -> u32, tid: u32| (tid..64).step_by(width as usize).map(of).sum::<u32>() as f32;
            let by_quad = (0..width).all(|tid| {
                let expected = [parts(&|t| t * t, tid), parts(&|t| t, tid), parts(&|_| 1, tid), parts(&|t| g + t, tid)];
                block[tid as usize] == expected
            });
            let all: u32 = (0..64).map(|t| t * t + g).sum();
            by_quad && block[64] == [all as f32, 2016.0, 0.0, 0.0] && block[64..].iter().all(|v| v[2] == 0.0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(subgroups: Switch) -> GpuOptions {
        GpuOptions { features: Features { subgroups, ..Features::default() }, ..GpuOptions::default() }
    }

    /// By the definition of the kernel, thread by thread.
    fn right() -> Vec<[f32; 4]> {
        let mut all = Vec::new();
        for width in WIDTHS {
            for g in 0..GROUPS {
                let mut block = [[0.0f32; 4]; VALUES];
                for t in 0..64u32 {
                    for (s, v) in block[(t % width) as usize].iter_mut().zip([t * t, t, 1, g + t]) {
                        *s += v as f32;
                    }
                    block[64][0] += (t * t + g) as f32;
                    block[64][1] += t as f32;
                }
                all.extend(block);
            }
        }
        all
    }

    #[test]
    fn every_wrong_sum_is_noticed() {
        assert!(sums_are_right(&right()));
        assert!(!sums_are_right(&right()[1..]));
        for (i, width) in WIDTHS.into_iter().enumerate() {
            for g in 0..GROUPS as usize {
                let base = (i * GROUPS as usize + g) * VALUES;
                for at in (0..width as usize).chain([64]) {
                    for wrong in [f32::NAN, 0.0, 1e9] {
                        let mut found = right();
                        found[base + at][1] = wrong;
                        // the sum of the one quad with t = 0 alone is zero
                        let is_right = wrong == 0.0 && width == 64 && at == 0;
                        assert_eq!(sums_are_right(&found), is_right, "width {width}, {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_fails_the_self_test_is_not_used_and_cannot_be_forced() {
        let fails = |_: &mut Stream| Err(Error::Device("wrong sums".into()));
        let opened = open_after(&options(Switch::Auto), false, fails, cooperative::trial).unwrap();
        assert!(!opened.stream.device.ladder.subgroups);
        let state = &opened.states[0];
        assert_eq!((state.name, state.used), ("subgroups", false));
        let offered = !state.why.contains("does not offer");
        assert!(!offered || state.why.contains("wrong sums"), "{state:?}");
        assert!(open_after(&options(Switch::Force), false, fails, cooperative::trial).is_err());
        let untested = |_: &mut Stream| panic!("tested though switched off");
        let off = open_after(&options(Switch::Off), false, untested, cooperative::trial).unwrap();
        assert_eq!((off.states[0].used, off.states[0].why.as_str()), (false, "switched off"));
        assert_eq!(off.stream.counters, Counters::default());
    }

    #[test]
    fn cooperative_matrices_that_fail_are_not_used_and_cannot_be_forced() {
        let fails = |_: &mut Stream| Err(Error::Device("wrong products".into()));
        let asked = |cooperative| GpuOptions {
            features: Features { cooperative, ..Features::default() },
            ..GpuOptions::default()
        };
        let opened = open_after(&asked(Switch::Auto), false, self_test, fails).unwrap();
        let state = &opened.states[1];
        assert_eq!((state.name, state.used, opened.stream.device.matrices), ("cooperative", false, None));
        let offered = !["not offer", "need subgroups"].iter().any(|w| state.why.contains(w));
        assert!(!offered || state.why.contains("wrong products"), "{state:?}");
        assert!(!opened.stream.device.raw.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX));
        assert!(open_after(&asked(Switch::Force), false, self_test, fails).is_err());
        let untested = |_: &mut Stream| panic!("tested though nobody asked");
        let off = open_after(&asked(Switch::Off), false, self_test, untested).unwrap();
        assert_eq!((off.states[1].used, off.states[1].why.as_str()), (false, "off unless asked for"));
    }

    #[test]
    fn this_adapter_passes_if_it_offers_subgroups() {
        let opened = open(&options(Switch::Auto), false).unwrap();
        let offers = opened.stream.device.info.features.iter().any(|f| f == "SUBGROUP");
        assert_eq!(opened.states[0].used, offers, "{:?}", opened.states);
        assert_eq!(opened.stream.device.ladder.subgroups, offers);
        assert_eq!(opened.stream.counters, Counters::default());
        assert_eq!(open(&options(Switch::Force), false).is_ok(), offers);
    }
}
