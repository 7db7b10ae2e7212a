// v = f_row·other_column for one stored entry per thread; the row of f lies in workgroup memory, its first 1024 columns.
@group(0) @binding(4) var<storage, read> f: array<vec4<f32>>;

var<workgroup> f_row: array<vec4<f32>, 256>;

fn stage_row(row: u32, tid: u32) {
    for (var t = tid; t < min(par.kq, 256u); t += 64u) {
        f_row[t] = f[(par.p0 + row) * par.kq + t];
    }
    workgroupBarrier();
}

fn model_entry(row: u32, column: u32) -> f32 {
    let at = column * par.kq;
    var s = vec4<f32>();
    for (var t = 0u; t < min(par.kq, 256u); t += 1u) {
        s = fma(f_row[t], other[at + t], s);
    }
    let f_at = (par.p0 + row) * par.kq;
    for (var t = 256u; t < par.kq; t += 1u) {
        s = fma(f[f_at + t], other[at + t], s);
    }
    return (s.x + s.y) + (s.z + s.w);
}
