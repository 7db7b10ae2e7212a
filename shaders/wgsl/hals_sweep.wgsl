// Hierarchical alternating least squares for short rows of f, given A = X̃·other and G = otherᵀother: passes over the
// columns q = fixed … k−1{VISIT_NOTE} of
//   f_q ← max(0, f_q + (A_q − f·G_q − l1 − l2·f_q) / (G_qq + l2)),   skipped where G_qq + l2 ≤ 0;
// a row stops once a pass moves it by no more than `stop` times its first pass. (Cichocki & Phan 2009; repeated
// passes: Gillis & Glineur 2012.)
//
// Bindings: 1 A, p × kq quads; 2 G, 4·kq rows of kq quads, symmetric; 3 f, p × kq quads{ORDER_NOTE}.
// Grid: one thread per row, 64 rows per workgroup; the row lives in {ROW_QUADS} private quads, G in workgroup memory.
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> f: array<vec4<f32>>;
{ORDER}var<workgroup> staged: array<vec4<f32>, {GRAM_QUADS}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    for (var i = tid; i < min(par.k * par.kq, {GRAM_QUADS}u); i += 64u) {
        staged[i] = gram[i];
    }
    workgroupBarrier();
    let row = g * 64u + tid;
    if (g >= par.groups || row >= par.p) {
        return;
    }
    let at = row * par.kq;
    let kq = min(par.kq, {ROW_QUADS}u);
    var w: array<vec4<f32>, {ROW_QUADS}>;
    for (var t = 0u; t < kq; t += 1u) {
        w[t] = f[at + t];
    }
    var first = 0.0;
    for (var sweep = 0u; sweep < par.count; sweep += 1u) {
        var moved = 0.0;
{VISIT}
            let curvature = staged[q * kq + q / 4u][q & 3u] + par.l2;
            if (curvature > 0.0) {
                var s = vec4<f32>();
                for (var t = 0u; t < kq; t += 1u) {
                    s = fma(w[t], staged[q * kq + t], s);
                }
                let dot = (s.x + s.y) + (s.z + s.w);
                let old = w[q / 4u][q & 3u];
                let step = (a[at + q / 4u][q & 3u] - dot - par.l1 - par.l2 * old) / curvature;
                let next = max(0.0, old + step);
                w[q / 4u][q & 3u] = next;
                moved = fma(next - old, next - old, moved);
            }
        }
        if (sweep == 0u) {
            first = moved;
        }
        if (moved <= par.stop * par.stop * first) {
            break;
        }
    }
    for (var t = 0u; t < kq; t += 1u) {
        f[at + t] = w[t];
    }
}
