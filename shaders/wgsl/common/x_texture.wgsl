// X as a texture whose texels are quads: processors read one for many lanes at once, but a buffer lane by lane. (A storage texture: it has no
// levels of detail to look up.)
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;

// Quad `quad` of a row.
fn x_at(row: u32, quad: u32) -> vec4<f32> {
    return textureLoad(x, vec2<u32>(quad, row));
}
