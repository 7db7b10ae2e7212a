use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{factor, uniform, wide};
use crate::{Backend, Element, Penalty};
use ndarray::Array2;

/// `factor`, `dim`, `read`, `write`, `copy`: the same bits come back, whatever the order in memory.
pub fn memory<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::memory", make());
    for (rows, k) in [(1, 1), (7, 3), (17, 33), (130, 17)] {
        p.case(format!("a factor {rows}×{k}"));
        let (a, b) = (uniform::<B::Elem>(1, (rows, k), -2.0, 2.0), factor::<B::Elem>(2, (rows, k), 0.2));
        let mut f = p.factor(&a)?;
        p.must("dim", p.b.dim(&f) == (rows, k), "wrong shape")?;
        let back = p.read(&f)?;
        p.same("read", &back, &wide(&a), "uploading and reading back changed a value")?;

        let transposed: Array2<B::Elem> = b.t().to_owned();
        let r = p.b.write(&mut f, transposed.t());
        p.ok("write", r)?;
        let back = p.read(&f)?;
        p.same("write", &back, &wide(&b), "writing from a column-major view changed a value")?;
        let r = p.b.factor(transposed.t());
        let g = p.ok("factor", r)?;
        let back = p.read(&g)?;
        p.same("factor", &back, &wide(&b), "uploading from a column-major view changed a value")?;

        let mut to = p.poisoned((rows, k))?;
        let r = p.b.copy(&f, &mut to);
        p.ok("copy", r)?;
        let r = p.b.write(&mut f, a.view());
        p.ok("write", r)?;
        let back = p.read(&to)?;
        p.same("copy", &back, &wide(&b), "a copy is not the original, or follows later changes of it")?;
    }
    p.case("the smallest values that carry meaning");
    let edge = Array2::from_shape_fn((2, 3), |(i, q)| match (i, q) {
        (0, 0) => B::Elem::TINY,
        (0, 1) => B::Elem::FLOOR,
        (0, 2) => B::Elem::of(B::Elem::EPS),
        _ => B::Elem::of(1.0 + B::Elem::EPS * q as f64),
    });
    let f = p.factor(&edge)?;
    let back = p.read(&f)?;
    p.same("read", &back, &wide(&edge), "uploading and reading back changed a value")
}

/// `ticket`, `poll`, `wait`, `value`, `scope`: values in order, tickets redeemed in any order, scalars read more than once.
pub fn scalars<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::scalars", make());
    let sum = Penalty { l1: 1.0, l2: 0.0 };
    let mut scalars = Vec::new();
    for v in 1..=7 {
        // whole numbers, so that every sum is exact
        let f = p.factor(&Array2::from_elem((2, 2), B::Elem::of(f64::from(v))))?;
        let r = p.b.penalty(&f, &sum);
        scalars.push(p.ok("penalty", r)?);
    }
    let expect = |range: std::ops::Range<usize>| range.map(|v| 4.0 * (v + 1) as f64).collect::<Vec<f64>>();
    p.case("seven sums of factors 2×2");
    let r = p.b.ticket(&scalars);
    let first = p.ok("ticket", r)?;
    let r = p.b.ticket(&scalars[2..5]);
    let second = p.ok("ticket", r)?;
    let r = p.b.ticket(&scalars[6..7]);
    let third = p.ok("ticket", r)?;
    p.must("ticket", first != second && second != third && first != third, "two tickets are equal")?;
    let r = p.b.wait(&third);
    p.must("wait", p.ok("wait", r)? == expect(6..7), "the last ticket, redeemed first, has other values")?;
    let r = p.b.wait(&first);
    p.must("wait", p.ok("wait", r)? == expect(0..7), "a ticket of seven scalars has other values or another order")?;
    let r = p.b.poll(&second);
    let values = match p.ok("poll", r)? {
        Some(values) => values,
        None => {
            let r = p.b.wait(&second);
            p.ok("wait", r)?
        }
    };
    p.must("poll", values == expect(2..5), "a ticket of three scalars has other values or another order")?;
    let inside = p.b.scope(|b| {
        let f = b.factor(Array2::from_elem((2, 2), B::Elem::of(5.0)).view())?;
        let s = b.penalty(&f, &sum)?;
        b.value(&s)
    });
    p.close_scalar("scope", p.ok("scope", inside)?, (20.0, 0.0))?;
    let r = p.b.value(&scalars[3]);
    p.close_scalar("value", p.ok("value", r)?, (16.0, 0.0))?;
    let r = p.b.finish();
    p.ok("finish", r)
}
