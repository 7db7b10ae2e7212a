// The second step for rows of any length: four gathers under way in each lane. Where the group is one row, they share
// what they read of f.
fn multiply(one: bool, kept: u32, filled: u32, tid: u32) {
    let lane = tid % LANES;
    for (var e = tid / LANES; e < filled; e += 256u / LANES) {
        let e1 = e + 64u / LANES;
        let e2 = e + 128u / LANES;
        let e3 = e + 192u / LANES;
        let c0 = entry_other[kept + e];
        let c1 = entry_other[kept + e1];
        let c2 = entry_other[kept + e2];
        let c3 = entry_other[kept + e3];
        var s0 = vec4<f32>();
        var s1 = vec4<f32>();
        var s2 = vec4<f32>();
        var s3 = vec4<f32>();
        for (var t = lane; t < par.kq; t += LANES) {
            let o0 = other[c0 + t];
            let o1 = other[c1 + t];
            let o2 = other[c2 + t];
            let o3 = other[c3 + t];
            let w0 = f[entry_f[e] + t];
            var w1 = w0;
            var w2 = w0;
            var w3 = w0;
            if (!one) {
                w1 = f[entry_f[e1] + t];
                w2 = f[entry_f[e2] + t];
                w3 = f[entry_f[e3] + t];
            }
            s0 = fma(w0, o0, s0);
            s1 = fma(w1, o1, s1);
            s2 = fma(w2, o2, s2);
            s3 = fma(w3, o3, s3);
        }
        lane_sum[e * (LANES + 1u) + lane] = (s0.x + s0.y) + (s0.z + s0.w);
        lane_sum[e1 * (LANES + 1u) + lane] = (s1.x + s1.y) + (s1.z + s1.w);
        lane_sum[e2 * (LANES + 1u) + lane] = (s2.x + s2.y) + (s2.z + s2.w);
        lane_sum[e3 * (LANES + 1u) + lane] = (s3.x + s3.y) + (s3.z + s3.w);
    }
}
