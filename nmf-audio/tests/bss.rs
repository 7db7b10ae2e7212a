//! BSS Eval against mir_eval's figures.

use nmf_audio::bss::{BssOptions, BssScores, bss_eval_sources};
use std::path::{Path, PathBuf};

/// Uniform in [−1, 1) by a linear congruence, the same in every language.
fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut x = seed;
    (0..n)
        .map(|_| {
            x = (1_664_525 * x + 1_013_904_223) % (1 << 32);
            (x >> 8) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

/// Σ factor·(signal delayed).
fn mix(parts: &[(f64, &[f64], usize)]) -> Vec<f64> {
    let n = parts[0].1.len();
    let at = |x: &[f64], i: usize, delay: usize| if i < delay { 0.0 } else { x[i - delay] };
    (0..n).map(|i| parts.iter().map(|(f, x, delay)| f * at(x, i, *delay)).sum()).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// Three sources and estimates of them.
fn signals() -> ([Vec<f32>; 3], [Vec<f32>; 3]) {
    let [a, b, c, d] = [1, 2, 3, 4].map(|seed| noise(seed, 6000));
    let s0 = mix(&[(1.0, &a, 0), (0.5, &a, 3)]);
    let s1 = mix(&[(1.0, &b, 0), (-0.7, &b, 1)]);
    let s2 = mix(&[(0.1, &c, 0)]);
    let e0 = mix(&[(0.8, &s0, 5), (0.05, &s1, 40), (0.01, &d, 0)]);
    let e1 = mix(&[(1.0, &s1, 0), (0.3, &s0, 700), (0.02, &c, 0)]);
    let e2 = mix(&[(1.0, &s2, 0), (0.001, &d, 2), (0.02, &s0, 0)]);
    ([s0, s1, s2].map(|s| narrow(&s)), [e0, e1, e2].map(|e| narrow(&e)))
}

fn check(found: &BssScores, sdr: &[f64], sir: &[f64], sar: &[f64], estimate: &[usize]) {
    for (found, expected) in [(&found.sdr, sdr), (&found.sir, sir), (&found.sar, sar)] {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!(f == e || (f - e).abs() < 1e-6, "{f} found, {e} expected");
        }
    }
    assert_eq!(found.estimate, estimate);
}

/// mir_eval 0.8.2, `separation.bss_eval_sources`; fast_bss_eval 0.1.4 for 64 taps.
#[test]
fn figures_of_mir_eval() {
    let ([s0, s1, s2], [e0, e1, e2]) = signals();
    let default = BssOptions::default();
    let found = bss_eval_sources(&[&s0, &s1], &[&e0, &e1], &default).unwrap();
    let (sdr, sir) = ([22.832757702581787, 12.107831908719655], [23.59936754709668, 22.358574836450384]);
    check(&found, &sdr, &sir, &[30.761444049719678, 12.563577073252365], &[0, 1]);

    let found = bss_eval_sources(&[&s0, &s1, &s2], &[&e2, &e0, &e1], &default).unwrap();
    check(
        &found,
        &[22.832757702581787, 12.107831908719655, 13.28187953680507],
        &[23.517425587506825, 19.5373908219901, 13.288846335872611],
        &[31.212917374093344, 13.021636144999109, 41.43189898418511],
        &[1, 2, 0],
    );

    let found = bss_eval_sources(&[&s0], &[&e0], &default).unwrap();
    check(&found, &[22.832757702581787], &[f64::INFINITY], &[22.832757702581787], &[0]);

    let given = BssOptions { permute: false, ..default.clone() };
    let found = bss_eval_sources(&[&s0, &s1], &[&e1, &e0], &given).unwrap();
    let (sdr, sir) = ([-10.790572409830954, -10.60873938382261], [-10.536223679688245, -10.604779598247877]);
    check(&found, &sdr, &sir, &[12.563577073252365, 30.76144404971967], &[0, 1]);

    let short = BssOptions { taps: 64, ..default };
    let found = bss_eval_sources(&[&s0, &s1], &[&e0, &e1], &short).unwrap();
    let (sdr, sir) = ([22.519951475057507, 11.755024146945773], [23.351377135410807, 31.48939353017216]);
    check(&found, &sdr, &sir, &[30.128671431395805, 11.804520968770479], &[0, 1]);
}

#[test]
fn scales_and_threads_change_nothing() {
    let ([s0, s1, _], [e0, e1, _]) = signals();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bss_eval_sources(&[&s0, &s1], &[&e0, &e1], &BssOptions::default()).unwrap())
    };
    let one = run(1);
    assert!([2, 5].into_iter().all(|threads| run(threads) == one));
    let faint: Vec<f32> = e0.iter().map(|x| x * 1e-30).collect();
    let loud: Vec<f32> = s1.iter().map(|x| x * 1e30).collect();
    let other = bss_eval_sources(&[&s0, &loud], &[&faint, &e1], &BssOptions::default()).unwrap();
    assert!(one.sdr.iter().zip(&other.sdr).all(|(a, b)| (a - b).abs() < 1e-4), "{:?} {:?}", one.sdr, other.sdr);
}

#[test]
fn perfect_and_hopeless_estimates_have_scores() {
    let ([s0, s1, _], _) = signals();
    // the same, and a delayed copy, which the filter forgives but for the samples pushed out
    let found = bss_eval_sources(&[&s0, &s1], &[&s1, &s0], &BssOptions::default()).unwrap();
    assert_eq!(found.estimate, [1, 0]);
    assert!(found.sdr.iter().chain(&found.sir).chain(&found.sar).all(|d| *d > 200.0), "{found:?}");
    // both true sources the same signal: their Gram matrix has half its rank
    let found = bss_eval_sources(&[&s0, &s0], &[&s0, &s1], &BssOptions::default()).unwrap();
    assert!(found.sdr[0] > 200.0 && found.sdr[1] < 0.0 && !found.sir.iter().any(|s| s.is_nan()), "{found:?}");
    // nothing above a tenth of the band: numerically of low rank
    let slow: Vec<f32> = (0..6000).map(|n| (n as f32 * 0.01).sin() + (n as f32 * 0.05).cos()).collect();
    let found = bss_eval_sources(&[&slow, &s1], &[&slow, &s1], &BssOptions::default()).unwrap();
    assert!(found.sdr.iter().all(|d| *d > 60.0), "{found:?}");
    let one = bss_eval_sources(&[[1.0f32]], &[[0.5f32]], &BssOptions::default()).unwrap();
    assert!(one.sdr[0] > 200.0);
}

#[test]
fn errors_name_what_is_wrong() {
    let x = vec![1.0f32; 100];
    let with = |at: usize, value: f32| {
        let mut y = x.clone();
        y[at] = value;
        y
    };
    let message =
        |s: &[&Vec<f32>], e: &[&Vec<f32>]| bss_eval_sources(s, e, &BssOptions::default()).unwrap_err().to_string();
    let silent = vec![0.0f32; 100];
    assert!(message(&[&x, &silent], &[&x, &x]).contains("true source 1 is silent"));
    assert!(message(&[&x], &[&silent]).contains("estimate 0 is silent"));
    assert!(message(&[&x], &[&with(7, f32::NAN)]).contains("estimate 0 has the sample NaN at 7"));
    assert!(message(&[&with(0, f32::INFINITY)], &[&x]).contains("true source 0 has the sample inf at 0"));
    let short = x[..99].to_vec();
    let lengths = message(&[&x, &x], &[&x, &short]);
    assert!(lengths.contains("estimate 1 has 99 samples, true source 0 has 100"), "{lengths}");
    assert!(message(&[&x, &x], &[&x]).contains("1 estimates for 2 true sources"));
    assert!(message(&[], &[]).contains("0 true sources"));
    let bad = |taps| bss_eval_sources(&[&x], &[&x], &BssOptions { taps, permute: true });
    assert!(bad(0).is_err() && bad(5000).is_err());
    let many = vec![&x; 12];
    assert!(bss_eval_sources(&many, &many, &BssOptions { taps: 4096, permute: true }).is_err());
}

fn data(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("NMF_DATA")?).join(name);
    folder.exists().then_some(folder)
}

fn left(path: &Path) -> Vec<f32> {
    nmf_audio::read(path).unwrap().into_channels().swap_remove(0)
}

/// mir_eval 0.8.2 on the recordings, microphone 1: the mixture as estimate of both talkers, and each talker with a part of
/// the other. Set NMF_DATA to the folder of the recordings.
#[test]
fn figures_of_mir_eval_on_recordings() {
    for (name, mixture, crosstalk) in [
        ("two_talkers_sisec", [0.5288233583044757, -0.556818992486014], [12.585831412776805, 17.5604673164303]),
        (
            "two_talkers_sim/anechoic",
            [-0.1436864057704071, 0.15689909808920158],
            [11.900377877648978, 18.234699501070924],
        ),
        (
            "two_talkers_sim/rt60_150ms",
            [-0.1551522576706464, 0.09892268283434907],
            [11.917460240088555, 18.21711178302791],
        ),
    ] {
        let Some(folder) = data(name) else { return };
        let x = left(&folder.join("mixture.wav"));
        let [a, b] = [1, 2].map(|i| left(&folder.join(format!("source{i}_image.wav"))));
        let given = BssOptions { permute: false, ..Default::default() };
        let found = bss_eval_sources(&[&a, &b], &[&x, &x], &given).unwrap();
        let close = |f: &[f64], e: [f64; 2]| assert!(f.iter().zip(e).all(|(f, e)| (f - e).abs() < 1e-4), "{f:?} {e:?}");
        close(&found.sdr, mixture);
        let with = |x: &[f32], y: &[f32], part: f32| x.iter().zip(y).map(|(x, y)| x + part * y).collect::<Vec<_>>();
        let estimates = [with(&a, &b, 0.25), with(&b, &a, -0.125)];
        let begin = std::time::Instant::now();
        let found = bss_eval_sources(&[&a, &b], &estimates, &BssOptions::default()).unwrap();
        println!("{name}: {:.2} s", begin.elapsed().as_secs_f64());
        close(&found.sdr, crosstalk);
        close(&found.sir, crosstalk);
    }
}
