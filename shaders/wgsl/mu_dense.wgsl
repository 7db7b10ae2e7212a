// One pass over dense X for the multiplicative update: with V = f·otherᵀ (floored by the loss),
//   N_s = (X̃ ∘ V^(β−2))·other   and/or   D_s = V^(β−1)·other   and/or   Σ d(x, v),
// split along the summed index. V and both ratios exist only for the tile at hand.
//
// Bindings: 1 X quads (absent where no entry is stored); 2 f (p × kq quads); 3 other (q × kq quads); 4 N and 5 D,
// chunks × p × kq quads: chunk s goes to rows out0 + s·p …, reduce.wgsl adds the chunks; 6 one partial sum of the
// divergence per workgroup of the first column block, from sum0 on. Variants bind only what they produce.
// Grid: row tiles × chunks × blocks of {BLOCKS}·32 columns (V is recomputed for each block). Tile: {ROWS} × 32 entries of
// X by 64 threads: each has a block of 4×4, tall tiles a second one 32 rows below; the ratios go through workgroup memory,
// and every thread keeps {OWN_ROWS} rows × {BLOCKS} quads of N and of D in registers.
{BINDINGS}
var<workgroup> ratio: array<vec4<f32>, {RATIO_QUADS}>;
{DEN_MEMORY}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let tx = tid & 7u;
    let ty = tid >> 3u;
    let p_tiles = (par.p + {ROWS}u - 1u) / {ROWS}u;
    let p_base = (g % p_tiles) * {ROWS}u;
    let chunk = (g / p_tiles) % par.chunks;
    let quad0 = (g / p_tiles / par.chunks) * {BLOCK_QUADS}u;
    let q_end = min(par.q, (chunk + 1u) * par.chunk);
{SUM_DECLARE}{DECLARE}
    for (var q_base = chunk * par.chunk; q_base < q_end; q_base += 32u) {
        // X first: it comes from far away, and the model is computed while it is under way
{MODEL}
{SUM_STEP}
        workgroupBarrier();
{RATIO_STEP}
{ACCUMULATE}
    }
{STORE}
{SUM_STORE}
}
