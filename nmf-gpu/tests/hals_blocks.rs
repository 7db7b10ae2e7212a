//! HALS sweeps above 64 components, where the Gram matrix goes through workgroup memory in blocks of 32 columns: lengths
//! that are no multiple of a block, fixed columns up to and across its edges, random order, rows that stop apart from each
//! other, columns that die, every number of rows per workgroup, the same bits each time.

#[path = "common/values.rs"]
mod values;

use ndarray::{Array2, Axis};
use nmf_core::backend::order;
use nmf_core::{Backend, Element, Loss, Penalty, Rule, Sweep, reference};
use nmf_gpu::{Gpu, GpuOptions};
use values::values;

fn wide(a: &Array2<f32>) -> Array2<f64> {
    a.mapv(f64::from)
}

struct Problem {
    a: Array2<f32>,
    /// The factor whose Gram matrix is G.
    c: Array2<f32>,
    f: Array2<f32>,
}

impl Problem {
    /// G is dominated by its diagonal of about 4, so that errors do not spread: all other entries of a row sum to a quarter of
    /// it. Each of them still moves results by hundreds of times the tolerance. Part of A is negative, so that entries are
    /// clamped.
    fn new(rows: usize, k: usize) -> Problem {
        let mut c = values(k + 5, k, 3) * (0.5 / k as f32);
        c.diag_mut().fill(2.0);
        Problem { a: values(rows, k, 4).mapv(|v| 3.0 * v - 0.8), c, f: values(rows, k, 5) }
    }

    /// The sweep on the device and the Gram matrix that it had.
    fn run(&self, b: &mut Gpu, sweep: &Sweep) -> (Array2<f32>, Array2<f64>) {
        let (a, c, mut f) =
            (b.factor(self.a.view()).unwrap(), b.factor(self.c.view()).unwrap(), b.factor(self.f.view()).unwrap());
        let mut gram = b.new_gram(self.c.ncols()).unwrap();
        b.gram(&c, &mut gram).unwrap();
        b.hals_sweep(&a, &gram, &mut f, sweep).unwrap();
        (b.read(&f).unwrap(), wide(&b.read_gram(&gram).unwrap()))
    }

    /// Those rows against the oracle: sums of k terms of about 1 and the sweep's own roundings.
    fn check(&self, b: &mut Gpu, sweep: &Sweep, rows: &[usize]) {
        let (found, gram) = self.run(b, sweep);
        let k = self.f.ncols();
        let mut expected = wide(&self.f.select(Axis(0), rows));
        let a = wide(&self.a.select(Axis(0), rows));
        reference::hals_sweep(&a.view(), &gram.view(), &mut expected.view_mut(), sweep);
        let tolerance = 2.0 * (k + 6) as f64 * f64::from(f32::EPSILON);
        for ((i, q), e) in expected.indexed_iter() {
            let v = f64::from(found[[rows[i], q]]);
            // a column that died has the floor of its own precision
            let e = if *e == <f64 as Element>::FLOOR { f64::from(<f32 as Element>::FLOOR) } else { *e };
            assert!((v - e).abs() <= tolerance, "k = {k}, {sweep:?}, row {}, column {q}: {v:e}, not {e:e}", rows[i]);
            if q < sweep.rule.fixed {
                assert_eq!(found[[rows[i], q]], self.f[[rows[i], q]], "k = {k}, column {q} is fixed");
            }
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.f.nrows()).collect()
    }
}

fn gpu(checked: bool) -> Gpu {
    Gpu::new(&GpuOptions { checked, ..GpuOptions::default() }).unwrap()
}

fn rule() -> Rule {
    Rule::for_loss(&Loss::FRO)
}

fn penalized(fixed: usize) -> Rule {
    Rule { penalty: Penalty { l1: 0.2, l2: 0.5 }, fixed, ..rule() }
}

#[test]
fn lengths_off_and_on_the_edges_of_blocks() {
    let (mut checked, mut unchecked) = (gpu(true), gpu(false));
    for k in [65, 67, 96, 128, 130, 257] {
        let problem = Problem::new(21, k);
        let rows = problem.all();
        for shuffle in [None, Some(7)] {
            let once = Sweep { shuffle, ..Sweep::once(rule()) };
            let bound = Sweep { max_sweeps: 3, shuffle, ..Sweep::once(penalized(k / 3)) };
            for b in [&mut checked, &mut unchecked] {
                problem.check(b, &once, &rows);
                problem.check(b, &bound, &rows);
            }
        }
    }
    let problem = Problem::new(3, 1024);
    for shuffle in [None, Some(2)] {
        problem.check(&mut unchecked, &Sweep { shuffle, ..Sweep::once(rule()) }, &problem.all());
    }
}

#[test]
fn fixed_columns_end_anywhere_in_a_block() {
    let mut b = gpu(false);
    let problem = Problem::new(9, 99);
    for fixed in [1, 31, 32, 33, 64, 95, 98, 99] {
        for shuffle in [None, Some(3)] {
            let sweep = Sweep { max_sweeps: 2, shuffle, ..Sweep::once(penalized(fixed)) };
            problem.check(&mut b, &sweep, &problem.all());
        }
    }
}

/// In the first and last column of a block, and in the last of all: a component that no row wants comes back as FLOOR; one
/// without curvature is left as it is, unless a ridge gives it some.
#[test]
fn dead_and_flat_columns() {
    let mut b = gpu(false);
    for q in [0, 31, 32, 66] {
        let mut dead = Problem::new(40, 67);
        dead.a.column_mut(q).fill(-50.0);
        let mut flat = Problem::new(40, 67);
        flat.c.column_mut(q).fill(0.0);
        for shuffle in [None, Some(5)] {
            for rule in [rule(), penalized(0)] {
                let sweep = Sweep { max_sweeps: 2, shuffle, ..Sweep::once(rule) };
                let (found, _) = dead.run(&mut b, &sweep);
                assert!(found.column(q).iter().all(|v| *v == <f32 as Element>::FLOOR), "column {q}");
                dead.check(&mut b, &sweep, &dead.all());
                let (found, gram) = flat.run(&mut b, &sweep);
                assert_eq!(gram[[q, q]], 0.0);
                assert_eq!(found.column(q) == flat.f.column(q), rule.penalty.l2 == 0.0, "column {q}");
                flat.check(&mut b, &sweep, &flat.all());
            }
        }
    }
}

/// The passes that the oracle makes over each row, where the rule to stop leaves no doubt.
fn passes(p: &Problem, gram: &Array2<f64>, sweep: &Sweep) -> Vec<Option<usize>> {
    let (a, mut f) = (wide(&p.a), wide(&p.f));
    let visit = order(f.ncols(), sweep);
    (0..f.nrows())
        .map(|i| {
            let mut first = 0.0;
            for pass in 0..sweep.max_sweeps {
                let mut moved = 0.0;
                for q in &visit {
                    let old = f[[i, *q]];
                    let step = (a[[i, *q]] - f.row(i).dot(&gram.column(*q))) / gram[[*q, *q]];
                    f[[i, *q]] = (old + step).max(0.0);
                    moved += (f[[i, *q]] - old).powi(2);
                }
                if pass == 0 {
                    first = moved;
                }
                let limit = sweep.stop * sweep.stop * first;
                if (moved / limit - 1.0).abs() < 0.05 {
                    return None;
                }
                if moved <= limit {
                    return Some(pass + 1);
                }
            }
            Some(sweep.max_sweeps)
        })
        .collect()
}

#[test]
fn rows_of_a_workgroup_stop_apart_from_each_other() {
    let mut b = gpu(false);
    let mut problem = Problem::new(37, 70);
    // rows that start far from their optimum move much in the first pass: the second is a small share of it
    for (i, mut row) in problem.f.outer_iter_mut().enumerate() {
        row.mapv_inplace(|v| v * 4.0f32.powi(i as i32 % 4 - 1));
    }
    for shuffle in [None, Some(3)] {
        let sweep = Sweep { max_sweeps: 6, stop: 0.03, shuffle, ..Sweep::once(rule()) };
        let (_, gram) = problem.run(&mut b, &sweep);
        let passes = passes(&problem, &gram, &sweep);
        let sure: Vec<usize> = (0..37).filter(|i| passes[*i].is_some()).collect();
        let kinds: std::collections::BTreeSet<usize> = sure.iter().filter_map(|i| passes[*i]).collect();
        assert!(sure.len() > 20 && kinds.len() > 1, "{passes:?}");
        problem.check(&mut b, &sweep, &sure);
        // a first pass always moves by less than twice itself: one pass, whatever the maximum
        let one = Sweep { stop: 2.0, ..sweep };
        let (found, _) = problem.run(&mut b, &one);
        let (expected, _) = problem.run(&mut b, &Sweep { max_sweeps: 1, ..one });
        assert_eq!(found, expected);
    }
}

/// 16, 32 and 64 rows to a workgroup, the last one not full.
#[test]
fn many_rows_share_workgroups() {
    let mut b = gpu(false);
    for rows in [1, 16_360, 32_720] {
        let problem = Problem::new(rows, 66);
        let some: Vec<usize> = (0..rows).filter(|i| *i < 70 || i + 70 > rows || i % 997 == 0).collect();
        for shuffle in [None, Some(1)] {
            problem.check(&mut b, &Sweep { shuffle, max_sweeps: 2, ..Sweep::once(penalized(2)) }, &some);
        }
    }
}

#[test]
fn results_repeat_to_the_last_bit() {
    let mut b = gpu(false);
    let problem = Problem::new(75, 131);
    for shuffle in [None, Some(9)] {
        let sweep = Sweep { max_sweeps: 4, stop: 0.01, shuffle, ..Sweep::once(rule()) };
        let bits = |f: &Array2<f32>| f.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let first = bits(&problem.run(&mut b, &sweep).0);
        for _ in 0..3 {
            assert_eq!(bits(&problem.run(&mut b, &sweep).0), first);
        }
    }
}
