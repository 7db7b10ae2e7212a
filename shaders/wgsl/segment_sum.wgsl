// acc_row = α·Σ_s part_s (or acc_row + the same) over the pieces s of a long row of sparse X̃{DEN_NOTE}.
//
// Bindings: 1 index, from `ld` on the long rows, (row, first piece, end of its pieces) each; 2 part, a row of kq quads
// for each of `chunks` pieces{PART_NOTE}; 3 N{BINDING_NOTE}. Rows land at p0 + row. flags: bit 0 adds to every row; bit 1 to the
// first row of the window only, which began in the window before.
// Grid: one thread per quad of the results, 64 per workgroup; two-level sums, fixed order.
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> part: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> num: array<vec4<f32>>;
{BINDINGS}
fn pieces(first: u32, end: u32, quad: u32) -> vec4<f32> {
    var total = vec4<f32>();
    for (var block = first; block < end; block += 32u) {
        var fine = vec4<f32>();
        for (var s = block; s < min(block + 32u, end); s += 1u) {
            fine += part[s * par.kq + quad];
        }
        total += fine;
    }
    return total;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let quad = i % par.kq;
    let at = par.ld + 3u * (i / par.kq);
    let row = index[at];
    let n = pieces(index[at + 1u], index[at + 2u], quad);
{SUM}
{STORE}
}
