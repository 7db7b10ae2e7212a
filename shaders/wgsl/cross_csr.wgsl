// out_s = Σ_{j in segment s} x_j·other_j: X̃·other for sparse X, one row of the result per segment.
//
// Bindings: 1–3, 5 as in csr.wgsl; 6 out, one row of kq quads per segment; segment_sum.wgsl adds the segments of a row.
// Grid: segments × blocks of 64 quads. 64 threads take 64 entries at a time; lanes are `width` quads × 64/width parts.
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> entry_column: array<u32, 64>;
var<workgroup> entry_ratio: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let s = g % par.count;
    let quad = (g / par.count) * 64u + tid % par.width;
    let part = tid / par.width;
    let parts = 64u / par.width;
    let segment = segments[s];
    var n = vec4<f32>();
    for (var first = segment.y; first < segment.z; first += 64u) {
        workgroupBarrier();
        if (first + tid < segment.z) {
            entry_column[tid] = columns[first + tid];
            entry_ratio[tid] = values[first + tid]{X};
        }
        workgroupBarrier();
        if (quad < par.kq) {
            let filled = min(segment.z - first, 64u);
            for (var j = part; j < filled; j += parts) {
                n = fma(vec4<f32>(entry_ratio[j]), other[entry_column[j] * par.kq + quad], n);
            }
        }
    }
    n = parts_sum(tid, n);
    if (part == 0u && quad < par.kq) {
        out[s * par.kq + quad] = n;
    }
}
