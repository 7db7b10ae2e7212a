// X as a texture whose texels are quads: processors read one for many lanes at once, but a buffer lane by lane.
@group(0) @binding(1) var x: texture_2d<f32>;

// Quad `quad` of a row.
fn x_at(row: u32, quad: u32) -> vec4<f32> {
    return textureLoad(x, vec2<u32>(quad, row), 0);
}
