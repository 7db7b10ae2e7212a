//! The knee of a curve.

/// Index of the knee of a falling curve, (x, y) in the order of x: the point farthest below the chord from the first to the
/// last point, ties to the first.
///
/// "Kneedle" (V. Satopää, J. Albrecht, D. Irwin and B. Raghavan, ICDCS workshops 2011) for a whole curve without smoothing.
/// Their scaling of both axes to [0, 1] changes every distance to the chord by one factor, so it does not decide.
///
/// `None` for fewer than three points, for numbers that are not finite, where the last point is not below the first and to its
/// right, and where no point lies below the chord by more than a rounding (10⁻⁹ of the fall).
pub fn elbow(points: &[(f64, f64)]) -> Option<usize> {
    let (first, last) = (points.first()?, points.last()?);
    let (width, fall) = (last.0 - first.0, first.1 - last.1);
    let finite = width.is_finite() && fall.is_finite() && points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
    if points.len() < 3 || !finite || width <= 0.0 || fall <= 0.0 {
        return None;
    }
    let mut deepest = (1e-9, None);
    for (at, (x, y)) in points.iter().enumerate() {
        let depth = 1.0 - (x - first.0) / width - (y - last.1) / fall;
        if depth > deepest.0 {
            deepest = (depth, Some(at));
        }
    }
    deepest.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_of_known_curves() {
        // two straight lines meet at x = 4
        let lines: Vec<(f64, f64)> = (1..=9).map(|k| (f64::from(k), (10.0 - 2.0 * f64::from(k)).max(2.0))).collect();
        assert_eq!(elbow(&lines), Some(3));
        // y = 1/x on [1, 16]: the tangent is parallel to the chord, of slope −1/16, at x = 4
        let hyperbola: Vec<(f64, f64)> = (1..=16).map(|x| (f64::from(x), 1.0 / f64::from(x))).collect();
        assert_eq!(elbow(&hyperbola), Some(3));
        // uneven steps count by their x
        let uneven = [(1.0, 10.0), (2.0, 8.0), (10.0, 1.0), (20.0, 0.0)];
        assert_eq!(elbow(&uneven), Some(2));
    }

    #[test]
    fn units_do_not_matter() {
        let curve: Vec<(f64, f64)> = (2..30).map(|k| (f64::from(k), 3.0 + (-0.2 * f64::from(k)).exp())).collect();
        let other: Vec<(f64, f64)> = curve.iter().map(|(x, y)| (1e6 * x - 4.0, 1e-8 * y + 7.0)).collect();
        assert!(elbow(&curve).is_some());
        assert_eq!(elbow(&curve), elbow(&other));
    }

    #[test]
    fn curves_without_a_knee() {
        assert_eq!(elbow(&[]), None);
        assert_eq!(elbow(&[(1.0, 2.0), (2.0, 1.0)]), None);
        assert_eq!(elbow(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]), None); // rises
        assert_eq!(elbow(&[(1.0, 1.0), (2.0, 0.0), (3.0, 1.0)]), None); // falls by nothing
        assert_eq!(elbow(&[(1.0, 0.3), (2.0, 0.2), (3.0, 0.1)]), None); // straight, but for rounding
        assert_eq!(elbow(&[(1.0, 1.0), (2.0, 0.9), (3.0, 0.0)]), None); // bends the other way
        assert_eq!(elbow(&[(1.0, 1.0), (2.0, f64::NAN), (3.0, 0.0)]), None);
        assert_eq!(elbow(&[(3.0, 1.0), (2.0, 0.1), (1.0, 0.0)]), None); // from right to left
    }
}
