// A number has two words, the lower one first.
fn state_number(at: u32) -> f64 {
    return bitcast<f64>((u64(bitcast<u32>(state[at + 1u])) << 32u) | u64(bitcast<u32>(state[at])));
}

fn set_state_number(at: u32, v: f64) {
    let bits = bitcast<u64>(v);
    state[at] = bitcast<i32>(u32(bits & 0xfffffffflu));
    state[at + 1u] = bitcast<i32>(u32(bits >> 32u));
}
