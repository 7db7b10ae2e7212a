// {WHAT_NOTE}
// split along the summed index. For factors of up to {MOST_QUADS} quads: a thread owns {ROWS} row(s) of X̃ and keeps their rows of f and of
// the result in registers, so that V never leaves a thread and every entry of X costs one pass over one row of other,
// {SHARE_NOTE}.
//
// Arithmetic: a quad of other serves {USES} fma of vec4 per thread; X is read once{SIDE_NOTE}.
//
// Bindings: 1 X quads; 2 f (p × kq quads) where there is a model; 3 other (q × kq quads); 4 N and 5 D, chunks × p × kq quads: chunk s goes to rows
// out0 + s·p …, reduce.wgsl adds the chunks; 6 one partial sum of the divergence per workgroup, from sum0 on.
// Variants bind only what they use.
// Grid: tiles of {TILE_ROWS} rows × chunks. 64 threads; blocks of {BLOCK} summed entries.
{OTHER}
{BINDINGS}
{STAGED}
{X_MEMORY}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32{LANE}) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let tiles = (par.p + {TILE_ROWS}u - 1u) / {TILE_ROWS}u;
    let p_base = (g % tiles) * {TILE_ROWS}u;
    let chunk = g / tiles;
    let q_end = min(par.q, (chunk + 1u) * par.chunk);
{PLACE}
{DECLARE}
    for (var q_base = chunk * par.chunk; q_base < {LAST}; q_base += {BLOCK}u) {
{STAGE}
        let filled = min(q_end - q_base, {BLOCK}u);
{ROUNDS}
    }
{STORE}
}
