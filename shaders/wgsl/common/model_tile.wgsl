// One 32×32 tile of V = f·otherᵀ in the registers of 64 threads.
//
// Over k in steps of 16: threads 0…31 stage f, threads 32…63 stage other, each four rows of one quad, transposed
// in registers so that both lie k-major; then every thread adds 16 outer products of 4×4.
// The staging room `stage` (256 quads: f in the first half, other in the second) belongs to the kernel, which
// reuses it for its second product.
@group(0) @binding(2) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> other: array<vec4<f32>>;


fn load_rows(row: u32, quad: u32, from_f: bool) -> Tile {
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad >= par.kq) {
        return t;
    }
    if (from_f) {
        let at = (par.p0 + row) * par.kq + quad;
        if (row < par.p) { t.a = f[at]; }
        if (row + 1u < par.p) { t.b = f[at + par.kq]; }
        if (row + 2u < par.p) { t.c = f[at + 2u * par.kq]; }
        if (row + 3u < par.p) { t.d = f[at + 3u * par.kq]; }
    } else {
        let at = (par.q0 + row) * par.kq + quad;
        if (row < par.q) { t.a = other[at]; }
        if (row + 1u < par.q) { t.b = other[at + par.kq]; }
        if (row + 2u < par.q) { t.c = other[at + 2u * par.kq]; }
        if (row + 3u < par.q) { t.d = other[at + 3u * par.kq]; }
    }
    return t;
}

fn model_tile(p_base: u32, q_base: u32, tid: u32, tx: u32, ty: u32) -> Tile {
    var v = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    let lane = tid & 31u;
    let from_f = tid < 32u;
    let row = select(q_base, p_base, from_f) + 4u * (lane >> 2u);
    for (var k4 = 0u; k4 < par.kq; k4 += 4u) {
        workgroupBarrier();
        let t = transposed(load_rows(row, k4 + (lane & 3u), from_f));
        let to = select(128u, 0u, from_f) + (lane & 3u) * 32u + (lane >> 2u);
        stage[to] = t.a;
        stage[to + 8u] = t.b;
        stage[to + 16u] = t.c;
        stage[to + 24u] = t.d;
        workgroupBarrier();
        let steps = min(par.kq - k4, 4u) * 4u;
        for (var s = 0u; s < steps; s += 1u) {
            let fv = stage[s * 8u + ty];
            let ov = stage[128u + s * 8u + tx];
            v.a = fma(vec4<f32>(fv.x), ov, v.a);
            v.b = fma(vec4<f32>(fv.y), ov, v.b);
            v.c = fma(vec4<f32>(fv.z), ov, v.c);
            v.d = fma(vec4<f32>(fv.w), ov, v.d);
        }
    }
    return v;
}
