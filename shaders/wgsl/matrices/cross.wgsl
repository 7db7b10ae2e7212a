// out_s = X̃_s·other_s: what cross_dense.wgsl computes, by cooperative matrices.
//
// Bindings: 1 X quads; 3 other (q × kq quads); 4 out, chunks × p × kq quads: chunk s of the sum goes to rows
// out0 + s·p …; reduce.wgsl adds the chunks.
// Grid: row tiles × chunks × blocks of {BLOCKS}·32 columns. Tile: 32 rows × 32 summed entries × {BLOCKS}·32 columns by
// {TEAMS} teams, each with its part of every 32×32 block of the result in its registers.
@group(0) @binding(4) var<storage, read_write> num: array<vec4<f32>>;

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
{DECLARE}
    var ahead = load_x(p_base, chunk * par.chunk, me.tx, me.ty);
    for (var q_base = chunk * par.chunk; q_base < q_end; q_base += 32u) {
        let left = ahead;
        // the next tile of X is under way while this one is multiplied
        if (q_base + 32u < q_end) {
            ahead = load_x(p_base, q_base + 32u, me.tx, me.ty);
        }
{ACCUMULATE}
    }
{STORE}
}
