// One pass over sparse X for the multiplicative update: with v = f·other at the stored entries j of a segment,
//   N_s = Σ x·v^(β−2)·other_j   and/or   D_s = Σ v^(β−1)·other_j (stored entries only)   and/or   Σ d(x, v).
//
// Bindings: 1–3, 5 as in csr.wgsl; 4 f; 6 N and 7 D, one row of kq quads per segment; segment_sum.wgsl adds the
// segments of a row; 8 two partial sums per segment: Σ d(x, v) from sum0 on, and from sum1 on Σ d(0, v), what the
// sum over all entries already holds for the stored ones. Variants bind only what they produce.
// Grid: segments × blocks of 64 quads. 64 threads take 64 entries at a time: each computes one v and its ratios,
// then lanes of `width` quads × 64/width parts accumulate.
{BINDINGS}
var<workgroup> entry_column: array<u32, 64>;
var<workgroup> entry_ratio: array<f32, 64>;
{DEN_MEMORY}
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
    stage_row(segment.x, tid);
    var n = vec4<f32>();
{DECLARE}
    for (var first = segment.y; first < segment.z; first += 64u) {
        workgroupBarrier();
        if (first + tid < segment.z) {
            let at = first + tid;
            let column = columns[at];
            let x = values[at]{X};
            let raw = model_entry(segment.x, column);
            let v = model4(vec4<f32>(raw));
            entry_column[tid] = column;
            entry_ratio[tid] = negative4(vec4<f32>(x), v).x{TIMES};
{ENTRY}
        }
        workgroupBarrier();
        if (quad < par.kq) {
            let filled = min(segment.z - first, 64u);
            for (var j = part; j < filled; j += parts) {
                let o = other[entry_column[j] * par.kq + quad];
                n = fma(vec4<f32>(entry_ratio[j]), o, n);
{ACCUMULATE}
            }
        }
    }
    n = parts_sum(tid, n);
    if (part == 0u && quad < par.kq) {
        num[s * par.kq + quad] = n;
    }
{STORE}
}
