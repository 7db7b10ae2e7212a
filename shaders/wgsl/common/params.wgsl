// The parameters of every kernel, in one uniform block, and the index of a workgroup in its (folded, possibly
// split) grid. A field that a kernel does not name is not used by it.
//
// "Quad" is four consecutive values of one row: factors are row-major with k padded to whole quads, and the
// padding is always zero.
//
// Binding 0 is always this block.
struct Params {
    base: u32,    // first workgroup of this dispatch in the whole grid
    groups: u32,  // workgroups of the whole grid
    grid_x: u32,  // width of the folded grid (a dimension holds at most 65,535 workgroups)
    k: u32,       // columns of the factors
    kq: u32,      // quads per row of the factors
    p: u32,       // rows of f in this window
    q: u32,       // rows of other in this window
    p0: u32,      // first row of f in this window
    q0: u32,      // first row of other in this window
    out0: u32,    // first row of the output
    ld: u32,      // quads per row of X in this window, or of a wide matrix
    chunk: u32,   // rows of other (entries to be summed) per workgroup
    chunks: u32,  // number of such chunks
    width: u32,   // lanes side by side on quads, a power of two; 64 / width lanes share the sum
    fixed: u32,   // the first columns of f, which must not change
    flags: u32,   // kernel-specific bits
    sum0: u32,    // where this window's partial sums start
    sum1: u32,    // where its second partial sums start
    count: u32,   // elements, passes, rows or shifts, kernel-specific
    stride: u32,  // quads from one row of the denominator (or of f) to the next; 0 for one shared row
    alpha: f32,
    l1: f32,
    l2: f32,
    gamma: f32,
    beta: f32,
    stop: f32,
    inf: f32,     // +infinity: WGSL has no literal for it
    x_unit: f32,  // what halves of X are multiplied with; 0 where X is f32
{RUN_FIELDS}}

@group(0) @binding(0) var<uniform> par: Params;
{RUN_MEMORY}
fn group_index(wid: vec3<u32>) -> u32 {
{RUN_PLACE}    return par.base + wid.y * par.grid_x + wid.x;
}
