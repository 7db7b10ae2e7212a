fn state_number(at: u32) -> f32 {
    return bitcast<f32>(state[at]);
}

fn set_state_number(at: u32, v: f32) {
    state[at] = bitcast<i32>(v);
}
