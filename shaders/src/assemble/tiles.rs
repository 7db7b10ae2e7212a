//! Dense passes by tiles of 32 summed entries and 32 or 64 rows: accumulators are named and products unrolled in the text, so
//! that no compiler has to find out that an array could live in registers.

use super::{Holes, output};
use std::fmt::Write;

/// The rows of a block of 4×4 and the component of a ratio column that belongs to each.
const ROWS: [(&str, &str); 4] = [("a", "x"), ("b", "y"), ("c", "z"), ("d", "w")];

/// What one pass computes, and how it is cut.
#[derive(Clone, Copy)]
pub(super) struct Products {
    /// Blocks of 32 columns of the results.
    pub(super) blocks: u32,
    /// Tiles of 64 rows instead of 32: a thread has a second block of 4×4.
    pub(super) tall: bool,
    /// V is computed.
    pub(super) model: bool,
    /// N, or a product without a model.
    pub(super) num: bool,
    pub(super) den: bool,
    pub(super) div: bool,
}

impl Products {
    /// How many blocks of 4×4 a thread has.
    fn halves(self) -> u32 {
        if self.tall { 2 } else { 1 }
    }

    /// Blocks of 32 columns of other that lie in workgroup memory together: two share each read of the ratio, where there is room
    /// (16 KiB hold 64 rows of ratios and two blocks, but nothing besides).
    fn staged(self) -> u32 {
        if self.blocks > 1 && !self.den && !(self.tall && self.div) { 2 } else { 1 }
    }

    /// Name of the accumulators, the ratio's and the buffer's, for each result.
    fn sums(self) -> Vec<(&'static str, &'static str, &'static str)> {
        let all = [(self.num, ("n", "ratio", "num")), (self.den, ("d", "ratio_den", "den"))];
        all.into_iter().filter(|s| s.0).map(|s| s.1).collect()
    }
}

/// 32 rows of other, `count` blocks of 32 columns from block `first` on, into the staging room.
fn stage_blocks(first: u32, count: u32) -> String {
    format!(
        "        workgroupBarrier();
        for (var at = tid; at < {all}u; at += 64u) {{
            let row = q_base + (at & 255u) / 8u;
            let quad = quad0 + {shift}u + 8u * (at / 256u) + at % 8u;
            var o = vec4<f32>();
            if (row < par.q && quad < par.kq) {{
                o = other[(par.q0 + row) * par.kq + quad];
            }}
            stage[at] = o;
        }}
        workgroupBarrier();
",
        all = 256 * count,
        shift = 8 * first
    )
}

/// The second product, ratio tile × other.
fn product_holes(products: Products) -> Holes {
    let Products { blocks, .. } = products;
    let (sums, halves, at_once) = (products.sums(), products.halves(), products.staged());
    let (mut declare, mut accumulate, mut store) = (String::new(), String::new(), String::new());
    for first in (0..blocks).step_by(at_once as usize) {
        accumulate.push_str(&stage_blocks(first, at_once));
        accumulate.push_str("        for (var s = 0u; s < 32u; s += 1u) {\n");
        for block in 0..at_once {
            let _ = writeln!(accumulate, "            let o{block} = stage[{}u + s * 8u + tx];", 256 * block);
        }
        for (acc, tile, _) in &sums {
            for half in 0..halves {
                let _ = writeln!(accumulate, "            let {acc}r{half} = {tile}[{}u + s * 8u + ty];", 256 * half);
            }
            for (half, block) in (0..halves).flat_map(|half| (0..at_once).map(move |block| (half, block))) {
                for (row, component) in ROWS {
                    let name = format!("{acc}{}{row}{half}", first + block);
                    let _ = writeln!(
                        accumulate,
                        "            {name} = fma(vec4<f32>({acc}r{half}.{component}), o{block}, {name});"
                    );
                }
            }
        }
        accumulate.push_str("        }\n");
    }
    for block in 0..blocks {
        let shift = 8 * block;
        let _ = writeln!(store, "    if (quad0 + {shift}u + tx < par.kq) {{");
        for (half, (i, (row, _))) in (0..halves).flat_map(|half| ROWS.iter().enumerate().map(move |r| (half, r))) {
            let down = 32 * half + i as u32;
            let _ = writeln!(store, "        if (p_base + 4u * ty + {down}u < par.p) {{");
            for (acc, _, out) in &sums {
                let _ = writeln!(declare, "    var {acc}{block}{row}{half} = vec4<f32>();");
                let _ = writeln!(
                    store,
                    "            {out}[(par.out0 + chunk * par.p + p_base + 4u * ty + {down}u) * par.kq + quad0 + {shift}u + tx] = {acc}{block}{row}{half};"
                );
            }
            store.push_str("        }\n");
        }
        store.push_str("    }\n");
    }
    let stage = 256 * at_once;
    // the model of a tall tile
    let stage = if products.tall && products.model { stage.max(384) } else { stage };
    vec![
        ("BLOCKS", blocks.to_string()),
        ("BLOCK_QUADS", (8 * blocks).to_string()),
        ("ROWS", (32 * halves).to_string()),
        ("OWN_ROWS", (4 * halves).to_string()),
        ("RATIO_QUADS", (256 * halves).to_string()),
        ("STAGE_QUADS", stage.to_string()),
        ("DECLARE", declare),
        ("ACCUMULATE", accumulate),
        ("STORE", store),
    ]
}

/// A transposed block of 4×4 into a ratio tile: lines that read `block` and write to `tile`.
fn put(tile: &str, block: &str, half: u32) -> String {
    ROWS.iter().enumerate().fold(String::new(), |mut text, (i, (row, _))| {
        let _ = writeln!(text, "        {tile}[{}u + (4u * tx + {i}u) * 8u + ty] = {block}.{row};", 256 * half);
        text
    })
}

/// The place of a block in X.
fn corner(half: u32) -> &'static str {
    if half == 0 { "p_base" } else { "p_base + 32u" }
}

/// What fills `cross_dense.wgsl`.
pub(super) fn cross_holes(blocks: u32, tall: bool) -> Holes {
    let products = Products { blocks, tall, model: false, num: true, den: false, div: false };
    let (mut load, mut step, mut next) = (String::new(), String::new(), String::new());
    for half in 0..products.halves() {
        let corner = corner(half);
        let _ = writeln!(load, "    var ahead{half} = load_x({corner}, chunk * par.chunk, tx, ty);");
        let _ = writeln!(step, "        let x{half} = transposed(ahead{half});");
        step.push_str(&put("ratio", &format!("x{half}"), half));
        let _ = writeln!(next, "            ahead{half} = load_x({corner}, q_base + 32u, tx, ty);");
    }
    let mut holes = product_holes(products);
    holes.extend([("BINDINGS", output(4, "num")), ("LOAD_FIRST", load), ("RATIO_STEP", step), ("LOAD_NEXT", next)]);
    holes
}

/// What fills `mu_dense.wgsl`.
pub(super) fn mu_holes(products: Products) -> Holes {
    let Products { num, den, div, .. } = products;
    let mut bindings = String::new();
    for (wanted, number, name) in [(num, 4, "num"), (den, 5, "den")] {
        bindings.push_str(&if wanted { output(number, name) } else { String::new() });
    }
    if div {
        bindings.push_str("@group(0) @binding(6) var<storage, read_write> sums: array<f32>;\n");
    }
    let (mut load, mut model, mut step, mut sum) = (String::new(), String::new(), String::new(), String::new());
    model.push_str(if products.tall {
        "        let tall = model_tall(p_base, q_base, tid, tx, ty);
        let u0 = tall.upper;
        let u1 = tall.lower;
"
    } else {
        "        let u0 = model_tile(p_base, q_base, tid, tx, ty);
"
    });
    for half in 0..products.halves() {
        let corner = corner(half);
        let _ = writeln!(load, "        let x{half} = load_x({corner}, q_base, tx, ty);");
        let floored = ROWS.map(|(row, _)| format!("model4(u{half}.{row})")).join(", ");
        let _ = writeln!(model, "        let v{half} = Tile({floored});");
        let _ = writeln!(sum, "        sum = long_add(sum, tile_sum(x{half}, v{half}, {corner}, q_base, tx, ty));");
        for (_, tile, _) in products.sums() {
            let entry = |row: &str| match tile {
                "ratio" => format!("negative4(x{half}.{row}, v{half}.{row})"),
                _ => format!("positive4(v{half}.{row})"),
            };
            let rows = ROWS.map(|(row, _)| entry(row)).join(", ");
            let _ = writeln!(step, "        let {tile}_tile{half} = transposed(Tile({rows}));");
            step.push_str(&put(tile, &format!("{tile}_tile{half}"), half));
        }
    }
    let memory = if den { "var<workgroup> ratio_den: array<vec4<f32>, {RATIO_QUADS}>;\n" } else { "" };
    let (declare, sum, store) = if div {
        (
            "    var sum = LongSum(0.0, 0.0, 0.0, 0u);\n",
            sum,
            "    let total = group_sum(tid, long_total(sum));
    if (tid == 0u && quad0 == 0u) {
        sums[par.sum0 + g] = total;
    }",
        )
    } else {
        ("", String::new(), "")
    };
    let mut holes = vec![
        ("BINDINGS", bindings),
        ("DEN_MEMORY", memory.into()),
        // X first: it comes from far away, and the model is computed while it is under way
        ("MODEL", load + &model),
        ("RATIO_STEP", step),
        ("SUM_DECLARE", declare.into()),
        ("SUM_STEP", sum),
        ("SUM_STORE", store.into()),
    ];
    holes.extend(product_holes(products));
    holes
}
