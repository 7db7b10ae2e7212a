// Rows of the factors for tiles of V = f·otherᵀ: four rows of one quad, zeros where there are none.
@group(0) @binding(2) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> other: array<vec4<f32>>;

fn load_rows(row: u32, quad: u32, from_f: bool) -> Tile {
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad >= par.kq) {
        return t;
    }
    if (from_f) {
        let at = (par.p0 + row) * par.kq + quad;
        if (row < par.p) { t.a = f[at]; }
        if (row + 1u < par.p) { t.b = f[at + par.kq]; }
        if (row + 2u < par.p) { t.c = f[at + 2u * par.kq]; }
        if (row + 3u < par.p) { t.d = f[at + 3u * par.kq]; }
    } else {
        let at = (par.q0 + row) * par.kq + quad;
        if (row < par.q) { t.a = other[at]; }
        if (row + 1u < par.q) { t.b = other[at + par.kq]; }
        if (row + 2u < par.q) { t.c = other[at + 2u * par.kq]; }
        if (row + 3u < par.q) { t.d = other[at + 3u * par.kq]; }
    }
    return t;
}
