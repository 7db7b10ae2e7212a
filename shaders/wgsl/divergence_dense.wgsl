// Σ d(x, v) over a window of dense X, V = W·Hᵀ only for the tile at hand.
//
// Bindings: 1 X quads (absent where no entry is stored: then Σ d(0, v)); 2 f = W rows; 3 other = H rows; 6 one
// partial sum per workgroup, from sum0 on; the host adds them in f64.
// Grid: row tiles × chunks of columns. Tile: 32 × 32 entries by 64 threads, a 4×4 block each.
@group(0) @binding(6) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let tx = tid & 7u;
    let ty = tid >> 3u;
    let p_tiles = (par.p + 31u) / 32u;
    let p_base = (g % p_tiles) * 32u;
    let chunk = g / p_tiles;
    let q_end = min(par.q, (chunk + 1u) * par.chunk);
    var sum = LongSum(0.0, 0.0, 0.0, 0u);
    for (var q_base = chunk * par.chunk; q_base < q_end; q_base += 32u) {
        // X first: it comes from far away, and the model is computed while it is under way
        let xt = load_x(p_base, q_base, tx, ty);
        var v = model_tile(p_base, q_base, tid, tx, ty);
        v = Tile(model4(v.a), model4(v.b), model4(v.c), model4(v.d));
        sum = long_add(sum, tile_sum(xt, v, p_base, q_base, tx, ty));
    }
    let total = group_sum(tid, long_total(sum));
    if (tid == 0u) {
        sums[par.sum0 + g] = total;
    }
}
