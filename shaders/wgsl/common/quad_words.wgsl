// A quad from two words of 64 bits: a processor reads a buffer number by number, and so half as often.
fn of_words(two: vec2<u64>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(u32(two.x), u32(two.x >> 32u), u32(two.y), u32(two.y >> 32u)));
}

