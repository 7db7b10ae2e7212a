// X as it is, two numbers at a time.
@group(0) @binding(1) var<storage, read> x: array<vec2<u64>>;

// Quad `quad` of a row.
fn x_at(row: u32, quad: u32) -> vec4<f32> {
    return of_words(x[row * par.ld + quad]);
}
