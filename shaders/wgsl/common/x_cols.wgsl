// This thread's block of X̃ = Xᵀ: p counts columns of X, q its rows. X is row-major in quads, its padding is zero;
// the block is read along the rows of X and transposed in registers, so no transposed copy is kept.
fn load_x(p_base: u32, q_base: u32, tx: u32, ty: u32) -> Tile {
    let quad = p_base / 4u + ty;
    let row = q_base + 4u * tx;
    var t = Tile(vec4<f32>(), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (quad < par.ld) {
        let at = row * par.ld + quad;
        if (row < par.q) {
            t.a = x_quad(at);
        }
        if (row + 1u < par.q) {
            t.b = x_quad(at + par.ld);
        }
        if (row + 2u < par.q) {
            t.c = x_quad(at + 2u * par.ld);
        }
        if (row + 3u < par.q) {
            t.d = x_quad(at + 3u * par.ld);
        }
    }
    return transposed(t);
}
