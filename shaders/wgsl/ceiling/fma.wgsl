// The arithmetic ceiling: every thread runs {CHAINS} chains of x ← a·x + b on quads, `count` rounds of {STEPS} steps, and
// writes their sum.
//
// Parameters α (a < 1) and β (b) arrive at run time and every chain starts elsewhere, so nothing can be folded or
// shared; x stays between its start and b/(1 − a), far from overflow and denormals.
//
// Bindings: 1 out, one quad per thread. Grid: one thread per quad, all groups of 64 full.
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let a = vec4<f32>(par.alpha);
    let b = vec4<f32>(par.beta);
    let start = vec4<f32>(1.0, 1.25, 1.5, 1.75) + vec4<f32>(f32(tid) / 64.0);
{START}
    for (var i = 0u; i < par.count; i += 1u) {
{ROUND}
    }
    out[g * 64u + tid] = {SUM};
}
