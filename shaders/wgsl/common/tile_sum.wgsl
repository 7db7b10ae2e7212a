// The divergence of a 4×4 block, entries outside the matrix left out.
fn row_sum(x: vec4<f32>, v: vec4<f32>, inside: vec4<bool>) -> f32 {
    var s = 0.0;
    if (inside.x) { s += select(value(x.x, v.x), v.x, is_nan(v.x)); }
    if (inside.y) { s += select(value(x.y, v.y), v.y, is_nan(v.y)); }
    if (inside.z) { s += select(value(x.z, v.z), v.z, is_nan(v.z)); }
    if (inside.w) { s += select(value(x.w, v.w), v.w, is_nan(v.w)); }
    return s;
}

fn tile_sum(x: Tile, v: Tile, p_base: u32, q_base: u32, tx: u32, ty: u32) -> f32 {
    let row = p_base + 4u * ty;
    let inside = vec4<u32>(q_base + 4u * tx) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(par.q);
    var s = 0.0;
    if (row < par.p) { s += row_sum(x.a, v.a, inside); }
    if (row + 1u < par.p) { s += row_sum(x.b, v.b, inside); }
    if (row + 2u < par.p) { s += row_sum(x.c, v.c, inside); }
    if (row + 3u < par.p) { s += row_sum(x.d, v.d, inside); }
    return s;
}
