// This thread's block of X̃ = X: p counts rows of X, q its columns. X is row-major in quads, its padding is zero.
fn load_x(p_base: u32, q_base: u32, tx: u32, ty: u32) -> Tile {
    let quad = q_base / 4u + tx;
    let row = p_base + 4u * ty;
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad < par.ld) {
        let at = row * par.ld + quad;
        if (row < par.p) {
            t.a = x_quad(at);
        }
        if (row + 1u < par.p) {
            t.b = x_quad(at + par.ld);
        }
        if (row + 2u < par.p) {
            t.c = x_quad(at + 2u * par.ld);
        }
        if (row + 3u < par.p) {
            t.d = x_quad(at + 3u * par.ld);
        }
    }
    return t;
}
