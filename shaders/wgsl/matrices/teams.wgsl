// Where a thread stands: the 4×4 block of a 32×32 tile that it loads and stores, and its team.
struct Place {
    tx: u32,
    ty: u32,
    team: u32,
    lane: u32,
}

// A tile of a result, through which it comes from the teams to the threads. Rows are longer than they need to be, so that
// a column does not lie in one bank.
var<workgroup> result: array<f32, 1152>;

fn result_quad(row: u32, tx: u32) -> vec4<f32> {
    let at = row * 36u + 4u * tx;
    return vec4<f32>(result[at], result[at + 1u], result[at + 2u], result[at + 3u]);
}

@group(0) @binding(3) var<storage, read> other: array<vec4<f32>>;

fn rows_of_other(row: u32, quad: u32) -> Tile {
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad < par.kq) {
        let at = (par.q0 + row) * par.kq + quad;
        if (row < par.q) { t.a = other[at]; }
        if (row + 1u < par.q) { t.b = other[at + par.kq]; }
        if (row + 2u < par.q) { t.c = other[at + 2u * par.kq]; }
        if (row + 3u < par.q) { t.d = other[at + 3u * par.kq]; }
    }
    return t;
}
