// Lanes side by side on `width` quads; `parts` neighbouring teams of them share a row. Sums the parts by a tree; the
// lanes of the first part have the result.
var<workgroup> quad_scratch: array<vec4<f32>, 64>;

fn row_sum(tid: u32, v: vec4<f32>, width: u32, parts: u32) -> vec4<f32> {
    workgroupBarrier();
    quad_scratch[tid] = v;
    workgroupBarrier();
    for (var step = parts / 2u; step > 0u; step = step / 2u) {
        if ((tid / width) % parts < step) {
            quad_scratch[tid] += quad_scratch[tid + step * width];
        }
        workgroupBarrier();
    }
    return quad_scratch[tid];
}

// How many teams of lanes share a row, where `teams` of them have `rows` rows to do: a power of two.
fn parts_of(teams: u32, rows: u32) -> u32 {
    var parts = teams;
    while (parts > 1u && parts * rows > teams) {
        parts = parts / 2u;
    }
    return parts;
}
