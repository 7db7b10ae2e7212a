// X as halves: two words to a quad, in units of x_unit, a power of two, so that multiplying back is exact.
@group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;

fn x_quad(at: u32) -> vec4<f32> {
    let q = x[at];
    return par.x_unit * vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y));
}

// Quad `quad` of a row.
fn x_at(row: u32, quad: u32) -> vec4<f32> {
    return x_quad(row * par.ld + quad);
}
