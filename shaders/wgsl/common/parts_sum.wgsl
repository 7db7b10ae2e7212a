// Lanes are laid out as `width` quads × 64/width parts; sums the parts by a tree. The lanes of part 0 have the result.
var<workgroup> quad_scratch: array<vec4<f32>, 64>;

fn parts_sum(tid: u32, v: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    quad_scratch[tid] = v;
    workgroupBarrier();
    for (var step = 32u; step >= max(par.width, 1u); step = step >> 1u) {
        if (tid < step) {
            quad_scratch[tid] += quad_scratch[tid + step];
        }
        workgroupBarrier();
    }
    return quad_scratch[tid];
}
