// One 32×32 tile of V = f·otherᵀ in the registers of 64 threads.
//
// Over k in steps of 16: threads 0…31 stage f, threads 32…63 stage other, each four rows of one quad, transposed
// in registers so that both lie k-major; then every thread adds 16 outer products of 4×4.
// The staging room `stage` (256 quads: f in the first half, other in the second) belongs to the kernel, which
// reuses it for its second product.
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
