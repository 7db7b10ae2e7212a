// l1·|f| + ½·l2·f²
@group(0) @binding(1) var<storage, read> f: array<vec4<f32>>;

fn term(i: u32) -> vec4<f32> {
    let w = f[i];
    return par.l1 * abs(w) + 0.5 * par.l2 * w * w;
}
