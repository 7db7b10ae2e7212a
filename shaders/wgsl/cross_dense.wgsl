// out_s = X̃_s·other_s: the product of a window of X (or Xᵀ) with a tall factor, split along the summed index.
//
// The same kernel serves XH and XᵀW (X dense), the Gram matrix FᵀF (X := F, transposed side, other := F) and F·G
// (X := F, other := G).
//
// Bindings: 1 X quads; 3 other (q × kq quads); 4 out, chunks × p × kq quads: chunk s of the sum goes to rows
// out0 + s·p …; reduce.wgsl adds the chunks.
// Grid: row tiles × chunks × blocks of {BLOCKS}·32 columns. Tile: {ROWS} rows × 32 summed entries × {BLOCKS}·32 columns
// by 64 threads, {OWN_ROWS} rows × {BLOCKS} quads of the result in the registers of each.
@group(0) @binding(3) var<storage, read> other: array<vec4<f32>>;
{BINDINGS}
var<workgroup> ratio: array<vec4<f32>, {RATIO_QUADS}>;

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
{DECLARE}
{LOAD_FIRST}
    for (var q_base = chunk * par.chunk; q_base < q_end; q_base += 32u) {
        workgroupBarrier();
{RATIO_STEP}
        // the next tile of X is under way while this one is multiplied
        if (q_base + 32u < q_end) {
{LOAD_NEXT}
        }
{ACCUMULATE}
    }
{STORE}
}
