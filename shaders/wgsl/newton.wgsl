// Coordinate descent for β = 1 over the rows of f: passes over the columns q = fixed … k−1{VISIT_NOTE}, each by a
// damped Newton step, with v the row of f·otherᵀ, floored, {OVER_NOTE}:
//   g = Σ (o_q − x·o_q/v) + l1 + l2·f_q,  h = Σ x·o_q²/v² + l2,  f_q ← max(0, f_q − g/h), shortened where it might
// overshoot; a row stops once a pass moves it by no more than `stop` times its first pass. (Hsieh & Dhillon 2011; the
// damping: Hien & Gillis 2021.)
//
// Bindings: {BINDINGS_NOTE}; 4 f; 5 other; 7 room for the v of each entry from sum0 on{ORDER_NOTE}.
// Grid: one row per workgroup of 64 threads, rows q0 … of the window. A thread has every 64th entry of the row to
// itself, so v needs no barrier; g and h meet in a tree, and thread 0 decides.
{BINDINGS}
@group(0) @binding(4) var<storage, read_write> f: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> other: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> model: array<f32>;
{ORDER}
// Above this λ Newton's step for a self-concordant function may overshoot.
const DAMPING: f32 = 0.683802;

var<workgroup> f_row: array<vec4<f32>, 256>;
var<workgroup> pairs: array<vec2<f32>, 64>;
var<workgroup> smallest: array<f32, 64>;
var<workgroup> moved_by: f32;

fn newton_entry(w: f32, g: f32, h: f32, c: f32) -> f32 {
    if (h <= 0.0) {
        // linear: down to zero, or nothing to decide
        return select(w, 0.0, g > 0.0);
    }
    var d = g / h;
    let lambda = c * root(h) * d;
    if (lambda > DAMPING) {
        d = d / (1.0 + lambda);
    }
    return select(0.0, w - d, w - d > 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let row = par.q0 + g;
    let f_at = (par.p0 + row) * par.kq;
{RANGE}
    // short rows keep few threads busy, and their tree is low
    var lanes = 1u;
    while (lanes < 64u && lanes < end - begin) {
        lanes = lanes * 2u;
    }
    var least = par.inf;
    for (var at = begin + tid; at < end; at += 64u) {
        let x = values[at]{X}{TIMES};
        if (x > 0.0) {
            least = min(least, x);
        }
    }
    smallest[tid] = least;
    for (var t = tid; t < par.kq; t += 64u) {
        f_row[t] = f[f_at + t];
    }
    workgroupBarrier();
    var c = 0.0;
    if (tid == 0u) {
        for (var t = 1u; t < lanes; t += 1u) {
            least = min(least, smallest[t]);
        }
        if (least < par.inf) {
            c = 1.0 / root(least);
        }
    }
    // once, and changed with each step from then on: where the floor lifted it, it stays lifted
    for (var at = begin + tid; at < end; at += 64u) {
        let o_at = {COLUMN} * par.kq;
        var s = vec4<f32>();
        for (var t = 0u; t < par.kq; t += 1u) {
            s = fma(f_row[t], other[o_at + t], s);
        }
        model[at - par.sum0] = floored((s.x + s.y) + (s.z + s.w));
    }
    var first = 0.0;
    for (var sweep = 0u; sweep < par.count; sweep += 1u) {
        var moved = 0.0;
{VISIT}
            var fine = vec2<f32>();
            var coarse = vec2<f32>();
            var count = 0u;
            for (var at = begin + tid; at < end; at += 64u) {
                let o = other[{COLUMN} * par.kq + q / 4u][q & 3u];
                let r = o / model[at - par.sum0];
                let xr = values[at]{X} * r;
                fine += vec2<f32>({SLOPE}, xr * r){TIMES};
                count += 1u;
                if ((count & 15u) == 0u) {
                    coarse += fine;
                    fine = vec2<f32>();
                }
            }
            pairs[tid] = coarse + fine;
            workgroupBarrier();
            for (var step = lanes / 2u; step > 0u; step = step / 2u) {
                if (tid < step) {
                    pairs[tid] += pairs[tid + step];
                }
                workgroupBarrier();
            }
            if (tid == 0u) {
                let old = f_row[q / 4u][q & 3u];
                let slope = pairs[0].x{COLSUM} + (par.l1 + par.l2 * old);
                let next = newton_entry(old, slope, pairs[0].y + par.l2, c);
                f_row[q / 4u][q & 3u] = next;
                moved_by = next - old;
            }
            let d = workgroupUniformLoad(&moved_by);
            moved = fma(d, d, moved);
            if (d != 0.0) {
                for (var at = begin + tid; at < end; at += 64u) {
                    let o = other[{COLUMN} * par.kq + q / 4u][q & 3u];
                    model[at - par.sum0] = floored(fma(d, o, model[at - par.sum0]));
                }
            }
        }
        if (sweep == 0u) {
            first = moved;
        }
        if (moved <= par.stop * par.stop * first) {
            break;
        }
    }
    workgroupBarrier();
    for (var t = tid; t < par.kq; t += 64u) {
        f[f_at + t] = f_row[t];
    }
}
