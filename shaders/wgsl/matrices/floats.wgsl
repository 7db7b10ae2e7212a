// Tiles as they are. Rows are longer than they need to be, so that a column does not lie in one bank.
var<workgroup> a_tile: array<f32, 1152>;
var<workgroup> b_tile: array<f32, 1152>;

fn put_a(v: vec4<f32>, at: u32) {
    a_tile[at] = v.x;
    a_tile[at + 1u] = v.y;
    a_tile[at + 2u] = v.z;
    a_tile[at + 3u] = v.w;
}

fn put_b(v: vec4<f32>, at: u32) {
    b_tile[at] = v.x;
    b_tile[at + 1u] = v.y;
    b_tile[at + 2u] = v.z;
    b_tile[at + 3u] = v.w;
}

// Both tiles to where the teams find them.
fn stage_both(a: Tile, b: Tile, me: Place) {
    // the products before are done
    workgroupBarrier();
    let at = me.ty * 144u + 4u * me.tx;
    put_a(a.a, at);
    put_a(a.b, at + 36u);
    put_a(a.c, at + 72u);
    put_a(a.d, at + 108u);
    put_b(b.a, at);
    put_b(b.b, at + 36u);
    put_b(b.c, at + 72u);
    put_b(b.d, at + 108u);
    workgroupBarrier();
}

// The same for b alone.
fn stage_b(b: Tile, me: Place) {
    workgroupBarrier();
    let at = me.ty * 144u + 4u * me.tx;
    put_b(b.a, at);
    put_b(b.b, at + 36u);
    put_b(b.c, at + 72u);
    put_b(b.d, at + 108u);
    workgroupBarrier();
}
