// X as it is: four numbers to a quad.
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn x_quad(at: u32) -> vec4<f32> {
    return x[at];
}

// Quad `quad` of a row.
fn x_at(row: u32, quad: u32) -> vec4<f32> {
    return x_quad(row * par.ld + quad);
}
