// Sum over the 64 threads of a workgroup: within subgroups, then across them; all threads have the result. Nothing is
// assumed about the size of a subgroup or about which threads share one: each counts its own, its first thread alone
// leaves the subgroup's sum in memory and the others zero, and the zeros are added, too.
var<workgroup> sum_scratch: array<f32, 64>;

fn group_sum(tid: u32, v: f32) -> f32 {
    workgroupBarrier();
    let within = subgroupAdd(v);
    let first = subgroupExclusiveAdd(1u) == 0u;
    sum_scratch[tid] = select(0.0, within, first);
    workgroupBarrier();
    let lanes = max(subgroupAdd(1u), 1u);
    var across = 0.0;
    for (var i = subgroupExclusiveAdd(1u); i < 64u; i += lanes) {
        across += sum_scratch[i];
    }
    return subgroupAdd(across);
}
