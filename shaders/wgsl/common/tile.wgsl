// A 4×4 block of a 32×32 tile, held by one of 64 threads: rows 4·ty + {0,1,2,3}, columns 4·tx + {0,1,2,3}.
struct Tile {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn transposed(t: Tile) -> Tile {
    return Tile(
        vec4<f32>(t.a.x, t.b.x, t.c.x, t.d.x),
        vec4<f32>(t.a.y, t.b.y, t.c.y, t.d.y),
        vec4<f32>(t.a.z, t.b.z, t.c.z, t.d.z),
        vec4<f32>(t.a.w, t.b.w, t.c.w, t.d.w),
    );
}
