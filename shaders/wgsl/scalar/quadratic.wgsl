// f·(½·(fG) − A): ½⟨fᵀf, G⟩ − ⟨A, f⟩ summed entry by entry
@group(0) @binding(1) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> fg: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> a: array<vec4<f32>>;

fn term(i: u32) -> vec4<f32> {
    return f[i] * (0.5 * fg[i] - a[i]);
}
