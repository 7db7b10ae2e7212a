// Lanes are laid out as `width` quads × 64/width parts; sums the parts, first those in one subgroup by shuffles. All
// lanes of a quad have the result. Any power of two may be the size of a subgroup, counted here; its threads must be
// neighbours in their order, which every driver known does for such workgroups and self_test.wgsl makes sure of.
var<workgroup> quad_scratch: array<vec4<f32>, 64>;

fn parts_sum(tid: u32, v: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    let width = max(par.width, 1u);
    let lanes = subgroupAdd(1u);
    var sum = v;
    for (var step = width; step < lanes; step = step << 1u) {
        sum += subgroupShuffleXor(sum, step);
    }
    quad_scratch[tid] = sum;
    workgroupBarrier();
    // one value per quad and subgroup, or per quad and part where subgroups are narrower than a part
    let stride = max(width, lanes);
    var total = vec4<f32>();
    for (var at = tid % width; at < 64u; at += stride) {
        total += quad_scratch[at];
    }
    return total;
}
