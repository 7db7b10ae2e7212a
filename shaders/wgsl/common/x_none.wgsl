// X without stored entries: the terms and the divergence that all entries share.
fn load_x(p_base: u32, q_base: u32, tx: u32, ty: u32) -> Tile {
    return Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
}
