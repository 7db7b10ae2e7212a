//! Holes of the kernels that keep whole rows of a factor in the registers of a thread.
//!
//! Everything over the quads of a row and over the rows of a thread is unrolled here, into named variables: an array that
//! a compiler does not manage to keep in registers would cost more than all the rest.

use super::{Holes, output};
use crate::Lanes;
use std::fmt::Write;

const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

/// What a variant computes.
#[derive(Clone, Copy)]
pub(super) struct Products {
    /// There is a model V; without it the product X̃·other is all.
    pub(super) model: bool,
    pub(super) den: bool,
    pub(super) div: bool,
}

pub(super) fn holes(lanes: Lanes, what: Products) -> Holes {
    let Lanes { cols, quads, rows } = lanes;
    let block = lanes.block();
    let sums: Vec<(&str, &str)> =
        [(true, "n", "num"), (what.den, "d", "den")].iter().filter(|s| s.0).map(|s| (s.1, s.2)).collect();
    let uses = rows * (u32::from(what.model) + sums.len() as u32);
    let note = match (what.model, what.den) {
        (false, _) => "out_s = X̃·other for dense X,",
        (true, false) => {
            "One pass over dense X for the multiplicative update: with V = f·otherᵀ (floored by the loss),\n//   N_s = (X̃ ∘ V^(β−2))·other   and/or   Σ d(x, v),"
        }
        (true, true) => {
            "One pass over dense X for the multiplicative update: with V = f·otherᵀ (floored by the loss),\n//   N_s = (X̃ ∘ V^(β−2))·other   and   D_s = V^(β−1)·other   and/or   Σ d(x, v),"
        }
    };
    let mut bindings = String::new();
    if what.model {
        bindings.push_str("@group(0) @binding(2) var<storage, read> f: array<vec4<f32>>;\n");
    }
    bindings.push_str(&output(4, "num"));
    if what.den {
        bindings.push_str(&output(5, "den"));
    }
    if what.div {
        bindings.push_str("@group(0) @binding(6) var<storage, read_write> sums: array<f32>;\n");
    }
    vec![
        ("WHAT_NOTE", note.into()),
        ("MOST_QUADS", quads.to_string()),
        ("USES", uses.to_string()),
        ("SIDE_NOTE", side_note(cols).into()),
        ("TILE_ROWS", lanes.tile_rows().to_string()),
        ("BLOCK", block.to_string()),
        ("STAGED", (block * quads).to_string()),
        ("QUADS", quads.to_string()),
        ("ROWS", rows.to_string()),
        ("BINDINGS", bindings),
        ("X_MEMORY", x_memory(lanes)),
        ("PLACE", place(lanes)),
        ("DECLARE", declare(lanes, what, &sums)),
        ("X_STAGE", x_stage(lanes)),
        ("X_READ", x_read(lanes)),
        ("STEPS", (0..4).map(|c| step(lanes, what, &sums, c)).collect()),
        ("STORE", store(lanes, what, &sums)),
    ]
}

fn side_note(cols: bool) -> &'static str {
    if cols {
        ":\n// neighbouring threads own neighbouring columns of X"
    } else {
        ",\n// and turned through workgroup memory: neighbouring threads own neighbouring rows of X"
    }
}

/// A tile of X lies in rows of one quad more than it has, so that threads that read the same quad of neighbouring rows meet
/// different banks.
fn x_memory(lanes: Lanes) -> String {
    if lanes.cols {
        return String::new();
    }
    format!("var<workgroup> tile: array<vec4<f32>, {}>;\n", lanes.tile_rows() * (lanes.block() / 4 + 1))
}

/// The rows of a thread: neighbours where X is read along them, 64 apart where each is a line of its own.
fn place(lanes: Lanes) -> String {
    (0..lanes.rows)
        .map(|r| {
            if lanes.cols {
                format!("    let row{r} = p_base + {}u * tid + {r}u;\n", lanes.rows)
            } else {
                format!("    let row{r} = p_base + tid + {}u;\n", 64 * r)
            }
        })
        .collect()
}

fn declare(lanes: Lanes, what: Products, sums: &[(&str, &str)]) -> String {
    let mut text = String::new();
    if what.div {
        text.push_str("    var sum = LongSum(0.0, 0.0, 0.0, 0u);\n");
    }
    for r in 0..lanes.rows {
        for t in 0..lanes.quads {
            if what.model {
                let _ = writeln!(text, "    var f{r}_{t} = vec4<f32>();");
            }
            for (acc, _) in sums {
                let _ = writeln!(text, "    var {acc}{r}_{t} = vec4<f32>();");
            }
        }
        if what.model {
            let _ = writeln!(text, "    if (row{r} < par.p) {{\n        let at = (par.p0 + row{r}) * par.kq;");
            for t in 0..lanes.quads {
                let _ = writeln!(text, "        if ({t}u < par.kq) {{ f{r}_{t} = f[at + {t}u]; }}");
            }
            text.push_str("    }\n");
        }
    }
    text
}

fn x_stage(lanes: Lanes) -> String {
    if lanes.cols {
        return String::new();
    }
    let (quads, all) = (lanes.block() / 4, lanes.tile_rows() * lanes.block() / 4);
    format!(
        "        for (var i = tid; i < {all}u; i += 64u) {{
            let row = p_base + i / {quads}u;
            let quad = q_base / 4u + i % {quads}u;
            var here = vec4<f32>();
            if (row < par.p && quad < par.ld) {{
                here = x_quad(row * par.ld + quad);
            }}
            tile[(i / {quads}u) * {stride}u + i % {quads}u] = here;
        }}",
        stride = quads + 1
    )
}

/// Four summed entries of the rows of a thread: `x{r}` over the entries where X lies along them, `x{c}` over the rows otherwise.
fn x_read(lanes: Lanes) -> String {
    let mut text = String::new();
    if !lanes.cols {
        let stride = lanes.block() / 4 + 1;
        for r in 0..lanes.rows {
            let _ = writeln!(text, "            let x{r} = tile[(tid + {}u) * {stride}u + b / 4u];", 64 * r);
        }
        return text;
    }
    text.push_str("            let quad = row0 / 4u;\n");
    for c in 0..4 {
        let _ = writeln!(
            text,
            "            var x{c} = vec4<f32>();
            if (quad < par.ld && b + {c}u < filled) {{ x{c} = x_quad((q_base + b + {c}u) * par.ld + quad); }}"
        );
        // fewer rows than a quad has: the part of the quad that belongs to this thread comes first
        if lanes.rows <= 2 {
            let _ = writeln!(text, "            x{c} = select(x{c}, x{c}.zwxy, (row0 & 2u) != 0u);");
        }
        if lanes.rows == 1 {
            let _ = writeln!(text, "            x{c} = select(x{c}, x{c}.yxwz, (row0 & 1u) != 0u);");
        }
    }
    text
}

/// One summed entry.
fn step(lanes: Lanes, what: Products, sums: &[(&str, &str)], c: u32) -> String {
    let Lanes { cols, quads, rows } = lanes;
    let mut text = String::from("            {\n");
    for j in 0..quads.div_ceil(8) {
        let _ = writeln!(text, "                let mine{j} = staged[(b + {c}u) * {quads}u + min({}u + (tid & 7u), {}u)];", 8 * j, quads - 1);
    }
    for t in 0..quads {
        let _ = writeln!(text, "                let o{t} = subgroupBroadcast(mine{}, {}u);", t / 8, t % 8);
    }
    let x = |r: u32| {
        if cols { format!("x{c}.{}", COMPONENTS[r as usize]) } else { format!("x{r}.{}", COMPONENTS[c as usize]) }
    };
    let four = |part: &dyn Fn(u32) -> String, rest: &str| {
        let parts: Vec<String> = (0..4).map(|r| if r < rows { part(r) } else { rest.into() }).collect();
        format!("vec4<f32>({})", parts.join(", "))
    };
    let _ = writeln!(text, "                let x = {};", four(&x, "0.0"));
    if what.model {
        for r in 0..rows {
            text.push_str(&model(r, quads, rows));
        }
        let _ = writeln!(text, "                let v = model4({});", four(&|r| format!("v{r}"), "1.0"));
        if what.div {
            let inside = |r: u32| format!("row{r} < par.p && b + {c}u < filled");
            text.push_str("                var s = 0.0;\n");
            for r in 0..rows {
                let at = COMPONENTS[r as usize];
                let _ = writeln!(
                    text,
                    "                if ({}) {{ s += select(value(x.{at}, v.{at}), v.{at}, is_nan(v.{at})); }}",
                    inside(r)
                );
            }
            text.push_str("                sum = long_add(sum, s);\n");
        }
        text.push_str("                let rn = negative4(x, v);\n");
        if what.den {
            text.push_str("                let rd = positive4(v);\n");
        }
    } else {
        text.push_str("                let rn = x;\n");
    }
    for (acc, _) in sums {
        for r in 0..rows {
            let at = COMPONENTS[r as usize];
            for t in 0..quads {
                let _ =
                    writeln!(text, "                {acc}{r}_{t} = fma(vec4<f32>(r{acc}.{at}), o{t}, {acc}{r}_{t});");
            }
        }
    }
    text.push_str("            }\n");
    text
}

/// v of one row: as many sums side by side as it takes to keep the pipeline busy, four with the other rows of the thread.
fn model(r: u32, quads: u32, rows: u32) -> String {
    let chains = 4 / rows;
    let names: Vec<String> = (0..chains).map(|i| format!("v{r}_{i}")).collect();
    let mut text = String::new();
    for t in 0..quads {
        for (i, at) in COMPONENTS.iter().enumerate() {
            let chain = &names[i % chains as usize];
            let product = format!("f{r}_{t}.{at}, o{t}.{at}");
            if t == 0 && i < chains as usize {
                let _ = writeln!(text, "                var {chain} = f{r}_{t}.{at} * o{t}.{at};");
            } else {
                let _ = writeln!(text, "                {chain} = fma({product}, {chain});");
            }
        }
    }
    let sum = match names.as_slice() {
        [a, b, c, d] => format!("({a} + {b}) + ({c} + {d})"),
        names => names.join(" + "),
    };
    let _ = writeln!(text, "                let v{r} = {sum};");
    text
}

fn store(lanes: Lanes, what: Products, sums: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for r in 0..lanes.rows {
        let _ = writeln!(
            text,
            "    if (row{r} < par.p) {{\n        let at = (par.out0 + chunk * par.p + row{r}) * par.kq;"
        );
        for t in 0..lanes.quads {
            for (acc, out) in sums {
                let _ = writeln!(text, "        if ({t}u < par.kq) {{ {out}[at + {t}u] = {acc}{r}_{t}; }}");
            }
        }
        text.push_str("    }\n");
    }
    if what.div {
        text.push_str(
            "    let total = group_sum(tid, long_total(sum));
    if (tid == 0u) {
        sums[par.sum0 + g] = total;
    }\n",
        );
    }
    text
}
