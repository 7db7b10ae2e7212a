// out_row = Σ_j x_j·other_j over the entries j of a row: X̃·other for sparse X.
//
// Bindings: 1–3, 5 as in csr.wgsl; 6 out, acc ← α·result or (flags bit 0; bit 1: the first row of the window only,
// which began in the window before) acc + α·result; 8 the sums of the pieces of long rows, a row of kq quads each.
// Grid: groups × blocks of 64 quads. Lanes are `width` quads side by side; the teams of such lanes share the rows of
// the group, or its one row. A gathered row is needed once, so nothing is kept and nothing waits: a group of 64
// entries has 64 gathers under way, and four times as many where rows are long enough.
@group(0) @binding(6) var<storage, read_write> num: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> part: array<f32>;

// Σ over the entries begin, begin + step, …
fn gathered(begin: u32, end: u32, step: u32, quad: u32) -> vec4<f32> {
    var n = vec4<f32>();
    var at = begin;
    for (; at + 3u * step < end; at += 4u * step) {
        let o0 = other[columns[at] * par.kq + quad];
        let o1 = other[columns[at + step] * par.kq + quad];
        let o2 = other[columns[at + 2u * step] * par.kq + quad];
        let o3 = other[columns[at + 3u * step] * par.kq + quad];
        n = fma(vec4<f32>(values[at]{X}), o0, n);
        n = fma(vec4<f32>(values[at + step]{X}), o1, n);
        n = fma(vec4<f32>(values[at + 2u * step]{X}), o2, n);
        n = fma(vec4<f32>(values[at + 3u * step]{X}), o3, n);
    }
    for (; at < end; at += step) {
        n = fma(vec4<f32>(values[at]{X}), other[columns[at] * par.kq + quad], n);
    }
    return n;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let at = group_index(wid);
    if (at >= par.groups) {
        return;
    }
    let g = at % par.count;
    let quad = (at / par.count) * 64u + tid % par.width;
    let teams = 64u / par.width;
    let team = tid / par.width;
    let group = group_at(g, tid);
    workgroupBarrier();
    let parts = parts_of(teams, group.rows);
    for (var base = 0u; base < group.rows; base += teams / parts) {
        let row = base + team / parts;
        let mine = row < group.rows && quad < par.kq;
        var n = vec4<f32>();
        if (mine) {
            n = gathered(row_start[row] + team % parts, row_start[row + 1u], parts, quad);
        }
        if (parts > 1u) {
            n = row_sum(tid, n, par.width, parts);
        }
        if (mine && team % parts == 0u) {
{STORE}
        }
    }
}
