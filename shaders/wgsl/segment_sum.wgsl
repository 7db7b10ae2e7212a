// acc_row = α·Σ_s part_s (or acc_row + the same) over the segments s of a row of sparse X̃.
//
// Bindings: 1 (first segment, first entry) of each row of the window, rows + 1 pairs; 2 part, one row of kq quads per segment;
// 3 acc. Rows land at p0 + row. flags: bit 0 adds to every row; bit 1 adds to the first row only (a row that began
// in the window before).
// Grid: one thread per quad of the result, 64 per workgroup; two-level sums, fixed order.
@group(0) @binding(1) var<storage, read> first: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> part: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> acc: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let row = i / par.kq;
    let quad = i % par.kq;
    let end = first[row + 1u].x;
    var total = vec4<f32>();
    for (var block = first[row].x; block < end; block += 32u) {
        var fine = vec4<f32>();
        for (var s = block; s < min(block + 32u, end); s += 1u) {
            fine += part[s * par.kq + quad];
        }
        total += fine;
    }
    let at = (par.p0 + row) * par.kq + quad;
    if ((par.flags & 1u) != 0u || ((par.flags & 2u) != 0u && row == 0u)) {
        acc[at] = fma(vec4<f32>(par.alpha), total, acc[at]);
    } else {
        acc[at] = par.alpha * total;
    }
}
