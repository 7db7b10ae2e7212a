//! Cooperative matrices (tensor cores, simdgroup matrices): what a device offers, and the test that kernels made of them must pass.
//!
//! They are an experiment in wgpu, and drivers are young. So they are used only where somebody asks for them, only in forms
//! that the device advertises, and only after products of every kind came out right on this device.

use crate::device::Device;
use crate::pool::{Buf, Pool};
use crate::queue::{Params, Stream};
use nmf_core::{Error, Result};
use nmf_shaders::{Kernel, LossKind, MATRICES, Matrices, MatrixPass, TILE, WORKGROUP};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use wgpu::CooperativeScalarType::{F16, F32};

/// The forms that `adapter` advertises and kernels exist for, with subgroups of a size that it has.
pub(crate) fn offered(adapter: &wgpu::Adapter) -> Vec<Matrices> {
    let features = adapter.features();
    if !features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return Vec::new();
    }
    let (found, info) = (adapter.cooperative_matrix_properties(), adapter.get_info());
    let advertised = |m: &Matrices| {
        let of = if m.halves { F16 } else { F32 };
        found.iter().any(|p| [p.m_size, p.n_size, p.k_size] == [m.size; 3] && p.ab_type == of && p.cr_type == F32)
    };
    let sizes = info.subgroup_min_size..=info.subgroup_max_size;
    let halves = features.contains(wgpu::Features::SHADER_F16);
    MATRICES
        .into_iter()
        .filter(|m| advertised(m) && sizes.contains(&(WORKGROUP / m.teams)) && (halves || !m.halves))
        .collect()
}

/// What a device must be opened with for these forms.
pub(crate) fn features(forms: &[Matrices]) -> wgpu::Features {
    let mut needed = wgpu::Features::empty();
    needed.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, !forms.is_empty());
    needed.set(wgpu::Features::SHADER_F16, forms.iter().any(|m| m.halves));
    needed
}

/// Leave to use wgpu's experimental features, for these forms.
#[allow(unsafe_code)]
pub(crate) fn experimental(forms: &[Matrices]) -> wgpu::ExperimentalFeatures {
    if forms.is_empty() {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: wgpu asks to be told that its experiments may have bugs that are undefined behaviour. The one used here is
    // cooperative matrices, in texts that are this workspace's own, never input: they load and store through arrays in
    // workgroup memory alone, which have room for every matrix at every place that a team has (`min` keeps the number of the
    // team below what the text is made for), never through a binding; they are reached by all threads of a workgroup, which
    // naga checks; their forms are those that the adapter advertises. It takes a switch that is off unless somebody
    // turns it on, and a self-test, to come here.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// The first of the offered forms with which all kinds of products come out right. Once per process and device.
pub(crate) fn trial(stream: &mut Stream) -> Result<Matrices> {
    static PASSED: Mutex<Option<HashMap<String, Matrices>>> = Mutex::new(None);
    let key = format!("{} {} {}", stream.device.info.index, stream.device.checked, stream.device.key);
    let known = PASSED.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|p| p.get(&key).copied());
    if let Some(form) = known {
        return Ok(form);
    }
    let forms = stream.device.offered.clone();
    let mut first = None;
    for form in forms {
        match products_are_right(stream, form) {
            Ok(()) => {
                PASSED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(key, form);
                return Ok(form);
            }
            Err(e) => first = first.or(Some(e)),
        }
    }
    Err(first.unwrap_or_else(|| Error::Unsupported("no form of matrices that kernels exist for".into())))
}

/// Rows and columns of X, and of components: neither whole tiles nor whole matrices.
const SHAPE: (u32, u32, u32) = (41, 75, 37);
/// Every fifth row of X is so much smaller: what a half of it keeps is subnormal, and drivers may drop that.
const SMALL: f64 = 1.0 / (1u64 << 32) as f64;
/// What may be wrong of a sum, as a part of it, and of one over small rows.
const ERROR: f64 = 1.0 / (1u64 << 18) as f64;
const ERROR_SMALL: f64 = 1.0 / (1u64 << 16) as f64;

/// Numbers without a pattern that an exchange of rows, columns or factors would keep, and some zeros.
fn entry(i: u32, j: u32, seed: u32) -> f32 {
    let hash = (i * 7919 + j * 104_729 + seed * 1_299_709).wrapping_mul(2_654_435_761) >> 9;
    if hash.is_multiple_of(11) { 0.0 } else { 0.25 + hash as f32 / 8_388_608.0 }
}

/// Some matrix, row by row in whole quads.
fn matrix(rows: u32, cols: u32, of: impl Fn(u32, u32) -> f32) -> Vec<f32> {
    let width = cols.next_multiple_of(4);
    (0..rows)
        .flat_map(|i| (0..width).map(move |j| (i, j)))
        .map(|(i, j)| if j < cols { of(i, j) } else { 0.0 })
        .collect()
}

fn products_are_right(stream: &mut Stream, form: Matrices) -> Result<()> {
    let (m, n, k) = SHAPE;
    let small = |i: u32| if i % 5 == 4 { SMALL as f32 } else { 1.0 };
    let x = |i: u32, j: u32| small(i) * entry(i, j, 1);
    // components whose columns of W and rows of H are far from each other's size
    let w = |i: u32, q: u32| entry(i, q, 2) * if q == 5 { 1024.0 } else { 1.0 };
    let h = |j: u32, q: u32| entry(j, q, 3) / if q == 5 { 1024.0 } else { 1.0 };
    let pool = Pool::new(None);
    let mut filled = |values: Vec<f32>| -> Result<Buf> {
        let bytes: &[u8] = bytemuck::cast_slice(&values);
        let buf = pool.get(&stream.device, "the self-test of cooperative matrices", bytes.len() as u64)?;
        stream.write(&buf, 0, bytes)?;
        Ok(buf)
    };
    let (xs, ws, hs) = (filled(matrix(m, n, x))?, filled(matrix(m, k, w))?, filled(matrix(n, k, h))?);
    let outs = [m, n, m].map(|rows| filled(matrix(rows, k, |_, _| -1.0)));
    let [rows, cols, nums] = outs;
    let (rows, cols, nums, sums) = (rows?, cols?, nums?, filled(vec![-1.0; 4])?);

    let (kq, ld) = (k.div_ceil(4), n.div_ceil(4));
    let pass = MatrixPass { matrices: form, update: None, div: false, cols: false, blocks: 2, half: false };
    let kl = MatrixPass { update: Some(LossKind::Kl), div: true, ..pass };
    let at = |p: u32, q: u32| Params {
        p,
        q,
        kq,
        ld,
        chunk: q.next_multiple_of(TILE),
        chunks: 1,
        beta: 1.0,
        inf: f64::INFINITY,
        ..Params::default()
    };
    let groups = |p: u32| u64::from(p.div_ceil(TILE));
    stream.run(Kernel::Matrices(pass), &[&xs, &hs, &rows], at(m, n), groups(m), 1e6)?;
    let turned = MatrixPass { cols: true, ..pass };
    stream.run(Kernel::Matrices(turned), &[&xs, &ws, &cols], at(n, m), groups(n), 1e6)?;
    stream.run(Kernel::Matrices(kl), &[&xs, &ws, &hs, &nums, &sums], at(m, n), groups(m), 1e6)?;
    let bytes = |rows: u32| u64::from(rows * kq) * 16;
    let parts = [(&rows, 0, bytes(m)), (&cols, 0, bytes(n)), (&nums, 0, bytes(m)), (&sums, 0, 4 * groups(m))];
    let landing = stream.land(&parts)?;
    let found: Vec<f32> = stream.take(landing)?;

    let wrong = |what: &str| {
        let device = &stream.device.info;
        Error::Device(format!(
            "{what} by cooperative matrices of {} ({}) fail the self-test",
            device.name, device.driver
        ))
    };
    let width = (4 * kq) as usize;
    let (found_rows, rest) = found.split_at_checked(m as usize * width).ok_or_else(|| wrong("products"))?;
    let (found_cols, rest) = rest.split_at_checked(n as usize * width).ok_or_else(|| wrong("products"))?;
    let (found_nums, found_sums) = rest.split_at_checked(m as usize * width).ok_or_else(|| wrong("updates"))?;
    let wide = |f: &dyn Fn(u32, u32) -> f32, a: u32, b: u32| f64::from(f(a, b));
    let near = |found: &[f32], want: &dyn Fn(u32, u32) -> f64, small: bool| {
        found.chunks_exact(width).zip(0..).all(|(row, i)| {
            let error = if small && i % 5 == 4 { ERROR_SMALL } else { ERROR };
            row.iter().zip(0..k).all(|(v, q)| (f64::from(*v) - want(i, q)).abs() <= error * want(i, q))
        })
    };
    let by_rows = |i: u32, q: u32| (0..n).map(|j| wide(&x, i, j) * wide(&h, j, q)).sum();
    let by_cols = |j: u32, q: u32| (0..m).map(|i| wide(&x, i, j) * wide(&w, i, q)).sum();
    if !near(found_rows, &by_rows, true) || !near(found_cols, &by_cols, false) {
        return Err(wrong("products"));
    }
    let model: Vec<f64> = (0..m)
        .flat_map(|i| (0..n).map(move |j| (i, j)))
        .map(|(i, j)| (0..k).map(|q| wide(&w, i, q) * wide(&h, j, q)).sum())
        .collect();
    let v = |i: u32, j: u32| model.get((i * n + j) as usize).copied().unwrap_or(f64::NAN);
    let by_ratios = |i: u32, q: u32| (0..n).map(|j| wide(&x, i, j) / v(i, j) * wide(&h, j, q)).sum();
    let divergence: f64 = (0..m)
        .flat_map(|i| (0..n).map(move |j| (i, j)))
        .map(|(i, j)| {
            let (x, v) = (wide(&x, i, j), v(i, j));
            if x == 0.0 { v } else { x * (x / v).ln() - x + v }
        })
        .sum();
    let found_divergence: f64 = found_sums.iter().map(|v| f64::from(*v)).sum();
    // ratios carry the errors of two products
    let ratios_are_near = near(found_nums, &by_ratios, true);
    if !ratios_are_near || (found_divergence / divergence - 1.0).abs() > 4.0 * ERROR || found_divergence.is_nan() {
        return Err(wrong("updates"));
    }
    Ok(())
}

impl Device {
    /// The name of the form in use, for what depends on it.
    pub(crate) fn form(&self) -> Option<String> {
        self.matrices.map(|m| format!("{0}×{0} {1}", m.size, if m.halves { "f16" } else { "f32" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::GpuOptions;

    /// Kernels that meet subgroups of another size than their own say so by NaN, and the self-test sees it.
    #[test]
    fn only_forms_of_this_device_pass() {
        let mut stream = Stream::new(Device::new(&GpuOptions::default(), true, true, false).unwrap()).unwrap();
        let Some(form) = stream.device.offered.first().copied() else {
            println!("skipped: {} has no cooperative matrices that kernels exist for", stream.device.info.name);
            return;
        };
        products_are_right(&mut stream, form).unwrap();
        let others =
            MATRICES.into_iter().filter(|m| m.teams != form.teams && Matrices { teams: form.teams, ..*m } == form);
        for other in others {
            let failure = products_are_right(&mut stream, other).unwrap_err().to_string();
            assert!(failure.contains("self-test"), "{other:?}: {failure}");
        }
    }
}
