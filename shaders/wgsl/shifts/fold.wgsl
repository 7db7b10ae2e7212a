// out_{jq} ← Σ_τ t_{j+τ, qL+τ} over τ < L = `count` with j + τ < p, in the order of τ: the adjoint of unfold.wgsl, for N and D.
//
// Bindings: 1 N and 2 D of the shifted copies, p × k·L, `ld` quads per row (D: `stride`, 0 for one shared row); 3 N and
// 4 D of the result, p × k in kq quads per row; all as numbers.
// Grid: one thread per number of the result, rows side by side: neighbours walk down neighbouring diagonals.
@group(0) @binding(1) var<storage, read> wide_num: array<f32>;
@group(0) @binding(2) var<storage, read> wide_den: array<f32>;
@group(0) @binding(3) var<storage, read_write> num: array<f32>;
@group(0) @binding(4) var<storage, read_write> den: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq * 4u) {
        return;
    }
    let row = i % par.p;
    let q = i / par.p;
    var sum = vec2<f32>();
    // the padding stays zero
    if (q < par.k) {
        for (var shift = 0u; shift < min(par.count, par.p - row); shift += 1u) {
            let at = row + shift;
            let column = q * par.count + shift;
            sum += vec2<f32>(wide_num[at * par.ld * 4u + column], wide_den[at * par.stride * 4u + column]);
        }
    }
    num[row * par.kq * 4u + q] = sum.x;
    den[row * par.kq * 4u + q] = sum.y;
}
