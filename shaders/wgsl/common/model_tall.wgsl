// One 64×32 tile of V = f·otherᵀ in the registers of 64 threads: two blocks of 4×4 each, 32 rows apart.
//
// Over k in steps of 16: every thread stages four rows of one quad of f, threads 0…31 also of other, transposed in
// registers so that both lie k-major; then every thread adds 16 outer products of 8×4: three reads of workgroup
// memory for 32 multiply-adds of quads' numbers, where a 32×32 tile has two for 16.
// The staging room `stage` (384 quads: upper rows of f, lower rows, other) belongs to the kernel, which reuses it for
// its second product.
struct Tall {
    upper: Tile,
    lower: Tile,
}

fn model_tall(p_base: u32, q_base: u32, tid: u32, tx: u32, ty: u32) -> Tall {
    let none = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    var v = Tall(none, none);
    let quad = tid & 3u;
    let row = 4u * (tid >> 2u);
    let to = (tid >> 5u) * 128u + quad * 32u + ((tid >> 2u) & 7u);
    for (var k4 = 0u; k4 < par.kq; k4 += 4u) {
        workgroupBarrier();
        let t = transposed(load_rows(p_base + row, k4 + quad, true));
        stage[to] = t.a;
        stage[to + 8u] = t.b;
        stage[to + 16u] = t.c;
        stage[to + 24u] = t.d;
        if (tid < 32u) {
            let o = transposed(load_rows(q_base + row, k4 + quad, false));
            stage[256u + to] = o.a;
            stage[256u + to + 8u] = o.b;
            stage[256u + to + 16u] = o.c;
            stage[256u + to + 24u] = o.d;
        }
        workgroupBarrier();
        let steps = min(par.kq - k4, 4u) * 4u;
        for (var s = 0u; s < steps; s += 1u) {
            let fu = stage[s * 8u + ty];
            let fl = stage[128u + s * 8u + ty];
            let ov = stage[256u + s * 8u + tx];
            v.upper.a = fma(vec4<f32>(fu.x), ov, v.upper.a);
            v.upper.b = fma(vec4<f32>(fu.y), ov, v.upper.b);
            v.upper.c = fma(vec4<f32>(fu.z), ov, v.upper.c);
            v.upper.d = fma(vec4<f32>(fu.w), ov, v.upper.d);
            v.lower.a = fma(vec4<f32>(fl.x), ov, v.lower.a);
            v.lower.b = fma(vec4<f32>(fl.y), ov, v.lower.b);
            v.lower.c = fma(vec4<f32>(fl.z), ov, v.lower.c);
            v.lower.d = fma(vec4<f32>(fl.w), ov, v.lower.d);
        }
    }
    return v;
}
