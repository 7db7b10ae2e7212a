// The sums across the threads of a workgroup, of whole numbers whose sums are exact: run once when a device is opened,
// because a driver may get subgroups wrong.
//
// Bindings: 1 two values per thread: the sum of its quad's parts (`width` quads side by side), and the sum over the
// workgroup with what eight broadcasts got wrong, from row out0 of 128 values on.
// Grid: one workgroup of 128 values each.
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32{LANE}) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    // as in the kernels, the threads come from loops of different lengths
    var squares = 0.0;
    for (var i = 0u; i < tid; i += 1u) {
        squares += f32(2u * i + 1u);
    }
    let t = f32(tid);
    let parts = parts_sum(tid, vec4<f32>(squares, t, 1.0, f32(g) + t));
    let all = group_sum(tid, squares + f32(g));
    // again at once: what is left from before must not come in
    let twice = group_sum(tid, t);
    let at = (par.out0 + g) * 128u + tid;
    out[at] = parts;
    var wrong = 0.0;
{BROADCASTS}    out[at + 64u] = vec4<f32>(all, twice, wrong, 0.0);
}
