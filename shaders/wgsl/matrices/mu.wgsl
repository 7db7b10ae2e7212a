// N_s = (X̃ ∘ V^(β−2))·other and Σ d(x, v), V = f·otherᵀ: what mu_dense.wgsl computes for β = 1 and 2, by cooperative matrices.
//
// Bindings: 1 X quads; 2 f (p × kq quads); 3 other (q × kq quads); 4 N, chunks × p × kq quads: chunk s goes to rows
// out0 + s·p …, reduce.wgsl adds the chunks; 6 one partial sum of the divergence per workgroup of the first column block,
// from sum0 on.
// Grid: row tiles × chunks × blocks of {BLOCKS}·32 columns (V is recomputed for each block). Tile: 32 × 32 entries of X by
// {TEAMS} teams; V goes to the threads, the ratios back to the teams through workgroup memory.
@group(0) @binding(2) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> num: array<vec4<f32>>;
{BINDINGS}
fn rows_of_f(row: u32, quad: u32) -> Tile {
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad < par.kq) {
        let at = (par.p0 + row) * par.kq + quad;
        if (row < par.p) { t.a = f[at]; }
        if (row + 1u < par.p) { t.b = f[at + par.kq]; }
        if (row + 2u < par.p) { t.c = f[at + 2u * par.kq]; }
        if (row + 3u < par.p) { t.d = f[at + 3u * par.kq]; }
    }
    return t;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    // written out, because naga takes what functions return to differ between threads, and these products must not follow such a test
{RUN_PLACE}    let g = par.base + wid.y * par.grid_x + wid.x;
    if (g >= par.groups) {
        return;
    }
{PLACES}
    let p_tiles = (par.p + 31u) / 32u;
    let p_base = (g % p_tiles) * 32u;
    let chunk = (g / p_tiles) % par.chunks;
    let quad0 = (g / p_tiles / par.chunks) * {BLOCK_QUADS}u;
    let q_end = min(par.q, (chunk + 1u) * par.chunk);
{SUM_DECLARE}
{DECLARE}
    for (var q_base = chunk * par.chunk; q_base < q_end; q_base += 32u) {
        // X first: it comes from far away, and the model is computed while it is under way
        let xt = load_x(p_base, q_base, me.tx, me.ty);
{MODEL}
        workgroupBarrier();
        let v = Tile(
            model4(result_quad(4u * me.ty, me.tx)),
            model4(result_quad(4u * me.ty + 1u, me.tx)),
            model4(result_quad(4u * me.ty + 2u, me.tx)),
            model4(result_quad(4u * me.ty + 3u, me.tx)),
        );
{SUM_STEP}
        let left = Tile(negative4(xt.a, v.a), negative4(xt.b, v.b), negative4(xt.c, v.c), negative4(xt.d, v.d));
{ACCUMULATE}
    }
{STORE}
{SUM_STORE}
}
