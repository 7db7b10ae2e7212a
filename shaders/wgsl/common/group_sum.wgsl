// Sum over the 64 threads of a workgroup by a tree; thread 0 has the result.
var<workgroup> sum_scratch: array<f32, 64>;

fn group_sum(tid: u32, v: f32) -> f32 {
    workgroupBarrier();
    sum_scratch[tid] = v;
    workgroupBarrier();
    for (var step = 32u; step > 0u; step = step >> 1u) {
        if (tid < step) {
            sum_scratch[tid] += sum_scratch[tid + step];
        }
        workgroupBarrier();
    }
    return sum_scratch[0];
}
