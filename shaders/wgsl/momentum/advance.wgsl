// Takes in the objective that accumulate.wgsl summed: where it is no larger than the last one, t ← (1 + √(1 + 4t²))/2
// and the weight becomes (t − 1)/t⁺; otherwise, and where either is NaN, t ← 1 and the weight 0. Then it is the last
// one, and the sum is zero again. (Y. Nesterov 1983; restart: B. O'Donoghue and E. Candès 2015.)
//
// Bindings: 1 the state of a momentum, see exact.wgsl.
// Grid: one thread.
@group(0) @binding(1) var<storage, read_write> state: array<i32>;

{STATE_NUMBERS}
fn kind(special: i32) -> i32 {
    if ((special & 1) != 0 || (special & 6) == 6) {
        return IS_NAN;
    }
    if ((special & 2) != 0) {
        return IS_PLUS_INF;
    }
    if ((special & 4) != 0) {
        return IS_MINUS_INF;
    }
    return IS_FINITE;
}

// Whether the finite sum being made is at most the finite last one: the highest limb in which they differ decides.
fn at_most() -> bool {
    for (var i = LIMBS; i > 0u; i -= 1u) {
        let now = state[NOW + i - 1u];
        let last = state[LAST + i - 1u];
        if (now != last) {
            return now < last;
        }
    }
    return true;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups || tid > 0u) {
        return;
    }
    let now = kind(state[NOW_SPECIAL]);
    let last = state[LAST_KIND];
    var falls = now != IS_NAN && last != IS_NAN && now <= last;
    if (now == IS_FINITE && last == IS_FINITE) {
        falls = at_most();
    }
    var t = 1.0;
    var weight = 0.0;
    if (falls) {
        let before = state_number(T);
        t = 0.5 * (1.0 + root(fma(4.0 * before, before, 1.0)));
        weight = (before - 1.0) / t;
    }
    set_state_number(T, t);
    set_state_number(WEIGHT, weight);
    state[LAST_KIND] = now;
    state[NOW_SPECIAL] = 0;
    for (var i = 0u; i < LIMBS; i += 1u) {
        state[LAST + i] = state[NOW + i];
        state[NOW + i] = 0;
    }
}
