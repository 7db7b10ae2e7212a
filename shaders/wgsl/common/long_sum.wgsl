// A running sum in three levels of 16, so that the rounding error grows with the number of levels and not with
// the number of terms. (Two-sum compensation would be optimized away: drivers may reassociate.)
struct LongSum {
    fine: f32,
    middle: f32,
    coarse: f32,
    count: u32,
}

fn long_add(s: LongSum, v: f32) -> LongSum {
    var r = s;
    r.fine += v;
    r.count += 1u;
    if ((r.count & 15u) == 0u) {
        r.middle += r.fine;
        r.fine = 0.0;
        if ((r.count & 255u) == 0u) {
            r.coarse += r.middle;
            r.middle = 0.0;
        }
    }
    return r;
}

fn long_total(s: LongSum) -> f32 {
    return s.coarse + (s.middle + s.fine);
}
