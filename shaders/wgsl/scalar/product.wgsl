// a·b: the inner product ⟨A, B⟩
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

fn term(i: u32) -> vec4<f32> {
    return a[i] * b[i];
}
