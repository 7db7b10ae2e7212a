//! Which way of a dense pass is fastest on this device: measured once, remembered by class of passes.

use crate::gpu::Gpu;
use crate::number::Number;
use crate::plan::{Pass, Plan, Sharing, Way};
use crate::window::{DensePanel, Layout, Streaming, XStorage};
use ndarray::Array2;
use nmf_core::{Accumulate, Backend, Error, Loss, MatrixRef, Observed, Result, Side};
use nmf_shaders::{LANE_CLASSES, LossKind};
use std::time::Instant;

/// Entries of X from which a pass counts as large.
const LARGE: u64 = 1 << 21;
/// Row lengths in quads, beyond those whose rows stay in registers, up to which one choice serves: 128 and 256 columns.
const WIDE_CLASSES: [u32; 2] = [32, 64];
/// Seconds that one timing takes at least.
const ENOUGH: f64 = 4e-3;

/// What a pass computes, as far as the choice of a way goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Product,
    /// A product that is the numerator of a multiplicative update.
    Numerator,
    Update(LossKind),
}

/// One measured class of passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// What was computed, on which side, for factors of how many quads, on how large an X, stored how.
    pub class: String,
    /// The fastest way, as a number: rows per thread, 8 more where rows of the other factor go from lane to lane of a subgroup; 0 for tiles, 16 for
    /// those by cooperative matrices, 32 for tall ones.
    pub choice: u32,
    /// The choice without measurement.
    pub default: u32,
    /// Seconds of the fastest, and of the default.
    pub seconds: (f64, f64),
}

impl Tuned {
    /// A choice in words.
    pub fn words(choice: u32) -> String {
        match (choice % 8, choice / 8) {
            (0, 0) => "tiles".into(),
            (0, 4) => "tiles of 64 rows".into(),
            (0, _) => "tiles by cooperative matrices".into(),
            (rows, 0) => format!("{rows} rows/thread"),
            (rows, _) => format!("{rows} rows/thread, subgroups"),
        }
    }
}

/// The name of a class: what, side, quads, size, how X is stored.
fn class(what: What, pass: &Pass) -> String {
    // the last stands for all that are wider
    let quads = LANE_CLASSES.into_iter().chain(WIDE_CLASSES).find(|c| *c >= pass.kq).unwrap_or(WIDE_CLASSES[1]);
    let what = match what {
        What::Product | What::Numerator => "product".to_string(),
        What::Update(loss) => format!("{loss:?}").to_lowercase(),
    };
    let side = if pass.cols { "cols" } else { "rows" };
    let size = if u64::from(pass.p) * u64::from(pass.q) >= LARGE { "large" } else { "small" };
    // only rows in registers read a texture
    let stored = match (pass.half, pass.image && LANE_CLASSES.contains(&quads)) {
        (true, _) => "-f16",
        (false, true) => "-textures",
        (false, false) => "",
    };
    format!("{what}-{side}-q{quads}-{size}{stored}")
}

/// A way as a number: rows per thread, 8 more where rows of the other factor go from lane to lane; 0 for tiles, 16 for those by
/// cooperative matrices, 32 for tall ones.
fn number(way: Way) -> u32 {
    match way {
        Way::Lanes(l) => l.rows + if l.broadcast { 8 } else { 0 },
        Way::Tiles { tall: false } => 0,
        Way::Matrices(_) => 16,
        Way::Tiles { tall: true } => 32,
    }
}

impl<T: Number> Gpu<T> {
    pub(crate) fn sharing(&self) -> Sharing {
        Sharing::on(&self.stream.device)
    }

    /// The ways of a pass on this device. Cooperative matrices come before the tiles that they replace, in multiplicative updates
    /// for β = 1 and 2. Not elsewhere: pairs of halves lose numbers far below the largest of their tile, as ratios for other β
    /// are, and columns of components whose size differs by 2³² (with HALS they do), of which Gram matrices and objectives made of
    /// products need every digit.
    fn ways(&self, what: What, pass: &Pass) -> Vec<Way> {
        let mut ways = pass.ways(self.sharing());
        let serves = matches!(what, What::Numerator | What::Update(LossKind::Fro | LossKind::Kl));
        // nor where rows in registers would do
        let narrow = ways.iter().any(|way| matches!(way, Way::Lanes(_)));
        if let [.., low, tall @ Way::Tiles { tall: true }] = ways.as_mut_slice()
            && self.stream.device.many_registers
            && pass.is_better_tall(self.sharing())
        {
            std::mem::swap(low, tall);
        }
        let form = self.stream.device.matrices.filter(|_| serves && pass.kq > 0 && !narrow);
        let tiles = ways.iter().position(|way| matches!(way, Way::Tiles { .. })).unwrap_or(ways.len());
        ways.splice(tiles..tiles, form.map(Way::Matrices));
        ways
    }

    /// Whether a measured choice counts for a pass: a class of wide factors holds passes of all sizes, those of a Gram matrix
    /// too, and tall tiles would leave the device idle at some.
    fn may_be_chosen(&self, way: &Way, pass: &Pass) -> bool {
        matches!(way, Way::Lanes(_)) || pass.is_busy(way, self.sharing())
    }

    /// The grid of a pass: by what was measured for its class, else by its shape.
    pub(crate) fn plan(&self, what: What, pass: Pass) -> Plan {
        let ways = self.ways(what, &pass);
        let class = class(what, &pass);
        let by_number = |n: u32| ways.iter().copied().find(|w| number(*w) == n);
        let chosen = match &self.trial {
            Some((on_trial, n)) if *on_trial == class => by_number(*n),
            // matrices serve numerators, but not the products that were measured for both
            _ if what == What::Numerator && ways.iter().any(|w| matches!(w, Way::Matrices(_))) => None,
            _ => self.tuning.get(&class).and_then(by_number).filter(|w| self.may_be_chosen(w, &pass)),
        };
        Plan::new(pass, chosen.or(ways.first().copied()).unwrap_or(Way::Tiles { tall: false }), self.sharing())
    }

    /// Measures every way of the dense passes for factors of these widths, and remembers the fastest of each class. Takes
    /// some seconds on a card, minutes on a software adapter. Calls `told` after each class.
    pub fn tune(&mut self, widths: &[usize], losses: &[Loss], mut told: impl FnMut(&Tuned)) -> Result<()> {
        if !self.tuning.is_on() {
            return Err(Error::Unsupported("tuning is switched off: its results would be lost".into()));
        }
        // timings of streamed X would be those of its transfer
        let keeping = std::mem::replace(&mut self.keeping.stream, Streaming::Never);
        let done = self.tune_resident(widths, losses, &mut told);
        self.keeping.stream = keeping;
        done
    }

    fn tune_resident(&mut self, widths: &[usize], losses: &[Loss], told: &mut impl FnMut(&Tuned)) -> Result<()> {
        let sizes: &[(usize, usize)] = if self.is_software() { &[(640, 480)] } else { &[(1200, 1000), (8192, 4096)] };
        for &(m, n) in sizes {
            let x = noise::<T>(m, n, 1);
            let x = match self.upload(MatrixRef::from(&x), T::one(), Observed::All) {
                // the choices for small passes are worth having
                Err(Error::OutOfMemory { .. }) if m > 1200 => continue,
                other => other?,
            };
            for &k in widths {
                let (w, h) = (self.factor(noise(m, k, 2).view())?, self.factor(noise(n, k, 3).view())?);
                for side in [Side::Rows, Side::Cols] {
                    let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
                    let mut out = self.factor(noise(f.rows as usize, k, 4).view())?;
                    let mut terms = self.new_terms(f.rows as usize, k)?;
                    let half = self.keeping.storage == XStorage::F16;
                    let image = matches!(&x.layout, Layout::Dense(panels) if panels.iter().all(DensePanel::image));
                    let pass = |arrays| Pass {
                        p: f.rows,
                        q: other.rows,
                        kq: k.div_ceil(4) as u32,
                        cols: side == Side::Cols,
                        half,
                        image,
                        double: T::DOUBLE,
                        arrays,
                    };
                    let best = self.fastest(What::Product, pass(1), |b| b.cross(&x, side, other, &mut out))?;
                    best.iter().for_each(&mut *told);
                    for loss in losses {
                        let kind = crate::update::kind(loss)?;
                        // the least squares' update is a product
                        if kind == LossKind::Fro {
                            continue;
                        }
                        let pass = pass(if kind == LossKind::Kl { 2 } else { 3 });
                        let run = |b: &mut Self| b.terms(loss, &x, side, f, other, 1.0, Accumulate::Set, &mut terms);
                        let best = self.fastest(What::Update(kind), pass, run)?;
                        best.iter().for_each(&mut *told);
                    }
                }
            }
        }
        Ok(())
    }

    fn fastest(
        &mut self,
        what: What,
        pass: Pass,
        mut run: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Option<Tuned>> {
        let (class, mut ways) = (class(what, &pass), self.ways(what, &pass));
        // what would not be taken at this size is not measured
        ways.retain(|w| self.may_be_chosen(w, &pass));
        if ways.len() == 1 {
            return Ok(None);
        }
        let (mut default, mut best) = (None, (0, f64::INFINITY));
        for way in ways {
            self.trial = Some((class.clone(), number(way)));
            let seconds = self.time(&mut run);
            self.trial = None;
            let here = (number(way), seconds?);
            default.get_or_insert(here);
            if here.1 < best.1 {
                best = here;
            }
        }
        let ((choice, seconds), default) = (best, default.unwrap_or(best));
        self.tuning
            .put(&class, choice)
            .map_err(|e| Error::Device(format!("the choice for {class} cannot be kept: {e}")))?;
        Ok(Some(Tuned { class, choice, default: default.0, seconds: (seconds, default.1) }))
    }

    /// Seconds of one run: the best of three timings, each of as many runs as it takes to be measurable.
    fn time(&mut self, run: &mut impl FnMut(&mut Self) -> Result<()>) -> Result<f64> {
        run(self)?;
        self.finish()?;
        let (mut runs, mut best, mut timed) = (1, f64::INFINITY, 0);
        while timed < 3 {
            let clock = Instant::now();
            for _ in 0..runs {
                run(self)?;
            }
            self.finish()?;
            let s = clock.elapsed().as_secs_f64();
            if s < ENOUGH && runs < 1 << 14 {
                runs *= 2;
                continue;
            }
            best = best.min(s / f64::from(runs));
            timed += 1;
        }
        Ok(best)
    }
}

/// Positive numbers without structure, never zero.
fn noise<T: Number>(rows: usize, cols: usize, seed: u32) -> Array2<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    Array2::from_shape_simple_fn((rows, cols), || {
        // xorshift32 (G. Marsaglia, 2003)
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        T::of(f64::from(0.01 + (state >> 8) as f32 / (1u32 << 24) as f32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::GpuOptions;
    use crate::features::{Features, Switch};
    use nmf_shaders::{Lanes, Reads};

    /// N, D and the divergence of a pass against loops in f64; every number within a bound for its own terms.
    fn check<T: Number>(b: &mut Gpu<T>, loss: &Loss, (m, n, k): (usize, usize, usize)) {
        let eps = T::EPS / 2.0;
        // ten bits each, which halves hold
        let x = noise::<T>(m, n, 5).mapv(|v| T::of((1024.0 * v.f64()).round() / 1024.0));
        let (w, h) = (noise::<T>(m, k, 6), noise::<T>(n, k, 7));
        let wide = |a: &Array2<T>| a.mapv(T::f64);
        let data = b.upload(MatrixRef::from(&x), T::one(), Observed::All).unwrap();
        let (fw, fh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
        let v = wide(&w).dot(&wide(&h).t());
        let beta = loss.beta().unwrap();
        let ratio = ndarray::Zip::from(&wide(&x)).and(&v).map_collect(|x, v| x * v.powf(beta - 2.0));
        let positive = v.mapv(|v| v.powf(beta - 1.0));
        for side in [Side::Rows, Side::Cols] {
            let (f, other, o) = if side == Side::Rows { (&fw, &fh, wide(&h)) } else { (&fh, &fw, wide(&w)) };
            let (num, den) = match side {
                Side::Rows => (ratio.dot(&o), positive.dot(&o)),
                Side::Cols => (ratio.t().dot(&o), positive.t().dot(&o)),
            };
            let kind = crate::update::kind(loss).unwrap();
            let arrays = if matches!(kind, LossKind::Fro | LossKind::Kl) { 2 } else { 3 };
            let cols = side == Side::Cols;
            let half = b.keeping.storage == XStorage::F16;
            let image = matches!(&data.layout, Layout::Dense(panels) if panels.iter().all(DensePanel::image));
            let kq = k.div_ceil(4) as u32;
            let pass = Pass { p: f.rows, q: other.rows, kq, cols, half, image, double: T::DOUBLE, arrays };
            let product = Pass { arrays: 1, ..pass };
            for way in product.ways(b.sharing()).into_iter().filter(|_| kind == LossKind::Fro) {
                b.trial = Some((class(What::Product, &product), number(way)));
                assert_eq!(b.plan(What::Product, product).way, way);
                let mut out = b.factor(noise(f.rows as usize, k, 8).view()).unwrap();
                b.cross(&data, side, other, &mut out).unwrap();
                let x = if cols { wide(&x).reversed_axes() } else { wide(&x) };
                let steps = 4.0 + f64::from(pass.q);
                for (g, w) in b.read(&out).unwrap().iter().zip(&x.dot(&o)) {
                    assert!((g.f64() - w).abs() <= steps * eps * w, "product k={k} {side:?} {way:?}: {g} {w}");
                }
            }
            // the update under fro is a product
            let (what, pass) =
                if kind == LossKind::Fro { (What::Numerator, product) } else { (What::Update(kind), pass) };
            for way in pass.ways(b.sharing()) {
                b.trial = Some((class(what, &pass), number(way)));
                assert_eq!(b.plan(what, pass).way, way);
                let rule = nmf_core::Rule { exponent: 0.0, ..nmf_core::Rule::for_loss(loss) };
                let mut terms = b.new_terms(f.rows as usize, k).unwrap();
                // with γ = 0 the update changes nothing
                let mut same = b.factor(if cols { h.view() } else { w.view() }).unwrap();
                let d = b.mu_step(loss, &data, side, &mut same, other, &mut terms, &rule, true).unwrap().unwrap();
                let (got_n, got_d) = b.read_terms(&terms).unwrap();
                // all terms are positive: relative errors, by the number of roundings on the way of one term
                let steps = 40.0 + k as f64 + f64::from(pass.q.min(4096)) / 4.0;
                for (got, want) in [(&got_n, &num), (&got_d, &den)] {
                    for (g, w) in got.iter().zip(want) {
                        assert!((g.f64() - w).abs() <= steps * eps * w, "{loss} k={k} {side:?} {way:?}: {g} {w}");
                    }
                }
                // and d moves with v as well: by |∂d/∂v|·v for each unit of relative error
                let (mut want, mut scale) = (0.0, 0.0);
                ndarray::Zip::from(&wide(&x)).and(&v).for_each(|&x, &v| {
                    let d = loss.value(x, v);
                    want += d;
                    scale += d + (v.powf(beta) - x * v.powf(beta - 1.0)).abs();
                });
                let d = b.value(&d).unwrap();
                assert!((d - want).abs() <= steps * eps * scale, "{loss} k={k} {side:?} {way:?}: {d} {want}");
                // without the divergence it is another kernel
                if kind != LossKind::Fro {
                    b.terms(loss, &data, side, f, other, 1.0, Accumulate::Set, &mut terms).unwrap();
                    let (got_n, got_d) = b.read_terms(&terms).unwrap();
                    for (g, w) in got_n.iter().zip(&num).chain(got_d.iter().zip(&den)) {
                        assert!((g.f64() - w).abs() <= steps * eps * w, "{loss} k={k} {side:?} {way:?}: {g} {w}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_way_computes_the_same_within_rounding() {
        let mut b = Gpu::new(&GpuOptions { checked: false, ..GpuOptions::default() }).unwrap();
        for k in [1, 6, 12, 13, 20, 23, 30, 39, 45, 64, 65, 150] {
            check(&mut b, &Loss::KL, (270, 301, k));
        }
        for loss in [Loss::FRO, Loss::IS, Loss::Beta(1.5)] {
            check(&mut b, &loss, (301, 259, 7));
        }
        check(&mut b, &Loss::FRO, (256, 310, 130));
        let mut b = Gpu::<f64>::open(&GpuOptions { checked: false, ..crate::number::with_double() }).unwrap();
        for k in [4, 7, 31] {
            check(&mut b, &Loss::KL, (270, 301, k));
        }
        check(&mut b, &Loss::Beta(1.5), (301, 259, 7));
        let options = GpuOptions { x_storage: XStorage::F16, checked: false, ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        check(&mut b, &Loss::KL, (301, 270, 18));
        check(&mut b, &Loss::FRO, (192, 130, 70));
        check(&mut b, &Loss::IS, (270, 301, 7));
    }

    #[test]
    fn wide_factors_take_tall_tiles_or_matrices_whatever_was_measured_for_others() {
        let options =
            GpuOptions { features: Features { tuning: Switch::Auto, ..Features::default() }, ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        let (low, tall) = (Way::Tiles { tall: false }, Way::Tiles { tall: true });
        let wide =
            Pass { p: 20_000, q: 10_000, kq: 32, cols: false, half: false, image: true, double: false, arrays: 2 };
        let product = Pass { arrays: 1, ..wide };
        let (kl, beta) = (What::Update(LossKind::Kl), What::Update(LossKind::Beta));
        for (many, want) in [(true, tall), (false, low)] {
            b.stream.device.many_registers = many;
            assert_eq!((b.plan(kl, wide).way, b.plan(What::Product, product).way), (want, want));
            assert_eq!(b.plan(beta, Pass { arrays: 3, ..wide }).way, low);
        }
        // a choice that was measured goes before the rule, but not where it would leave the device idle
        assert_eq!(class(kl, &wide), "kl-rows-q32-large");
        assert_eq!(class(What::Product, &Pass { kq: 300, ..product }), "product-rows-q64-large");
        b.tuning.put("product-rows-q32-large", number(tall)).unwrap();
        b.tuning.put("product-rows-q32-small", number(tall)).unwrap();
        assert_eq!(b.plan(What::Product, product).way, tall);
        assert_eq!(b.plan(What::Product, Pass { p: 128, q: 128, ..product }).way, low);
        // nor before matrices, which products that are not numerators go without
        let form = nmf_shaders::MATRICES[0];
        b.stream.device.matrices = Some(form);
        assert_eq!(b.plan(What::Numerator, product).way, Way::Matrices(form));
        assert_eq!(b.plan(What::Product, product).way, tall);
        assert_eq!(b.plan(kl, wide).way, Way::Matrices(form));
        b.tuning.put("kl-rows-q32-large", number(low)).unwrap();
        assert_eq!(b.plan(kl, wide).way, low);
    }

    #[test]
    fn every_way_has_its_own_number_and_words() {
        let lanes = |rows, broadcast| {
            Way::Lanes(Lanes { cols: false, quads: 4, rows, broadcast, half: false, reads: Reads::Quads })
        };
        let mut ways: Vec<Way> = [1, 2, 4].into_iter().flat_map(|r| [lanes(r, false), lanes(r, true)]).collect();
        ways.extend([false, true].map(|tall| Way::Tiles { tall }));
        ways.push(Way::Matrices(nmf_shaders::MATRICES[0]));
        let words: Vec<String> = ways.iter().map(|w| Tuned::words(number(*w))).collect();
        assert!(words.iter().enumerate().all(|(i, w)| !words[..i].contains(w)), "{words:?}");
        assert_eq!(Tuned::words(number(lanes(4, true))), "4 rows/thread, subgroups");
        assert_eq!(Tuned::words(number(Way::Tiles { tall: true })), "tiles of 64 rows");
    }

    #[test]
    fn tuning_remembers_the_fastest_way_of_each_class() {
        let mut b = Gpu::new(&GpuOptions::default()).unwrap();
        let mut seen = Vec::new();
        b.tune(&[4], &[Loss::FRO, Loss::KL], |t| seen.push(t.clone())).unwrap();
        let names: Vec<&str> = seen.iter().map(|t| t.class.as_str()).collect();
        let image = b.sharing() == Sharing::Lanes;
        let stored = if image { "-textures" } else { "" };
        for want in ["product-rows", "kl-rows", "product-cols", "kl-cols"] {
            assert!(names.contains(&format!("{want}-q1-small{stored}").as_str()), "{names:?}");
        }
        for t in &seen {
            assert!(t.seconds.0 <= t.seconds.1 && t.seconds.0 > 0.0, "{t:?}");
            assert_eq!(b.tuning.get(&t.class), Some(t.choice));
        }
        let kl = format!("kl-rows-q1-small{stored}");
        let pass = Pass { p: 640, q: 480, kq: 1, cols: false, half: false, image, double: false, arrays: 2 };
        let chosen = seen.iter().find(|t| t.class == kl).unwrap().choice;
        let taken = |b: &Gpu| number(b.plan(What::Update(LossKind::Kl), pass).way);
        assert_eq!(taken(&b), chosen);
        // every choice that there is decides, not only one that happens to be the default; others do not count
        let default = number(pass.ways(b.sharing())[0]);
        for way in pass.ways(b.sharing()).into_iter().filter(|w| b.may_be_chosen(w, &pass)).collect::<Vec<_>>() {
            b.tuning.put(&kl, number(way)).unwrap();
            assert_eq!(taken(&b), number(way));
        }
        b.tuning.put(&kl, 77).unwrap();
        assert_eq!(taken(&b), default);
    }
}
