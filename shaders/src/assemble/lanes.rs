//! Holes of the kernels that keep whole rows of a factor in the registers of a thread.
//!
//! Everything over the quads of a row and over the rows of a thread is unrolled here, into named variables: an array that
//! a compiler does not manage to keep in registers would cost more than all the rest.

use super::{Holes, output};
use crate::{COPY_WIDTH, Lanes, Reads};
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
    let Lanes { quads, rows, .. } = lanes;
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
        ("SIDE_NOTE", side_note(lanes).into()),
        ("SHARE_NOTE", share_note(lanes).into()),
        ("TILE_ROWS", lanes.tile_rows().to_string()),
        ("BLOCK", block.to_string()),
        ("STAGED", staged_memory(lanes)),
        ("STAGE", stage(lanes)),
        ("ROWS", rows.to_string()),
        ("OTHER", other(lanes, what)),
        ("BINDINGS", bindings),
        ("X_MEMORY", x_memory(lanes)),
        ("PLACE", place(lanes)),
        ("LANE", if lanes.broadcast { ", @builtin(subgroup_invocation_id) lane: u32" } else { "" }.into()),
        ("DECLARE", declare(lanes, what, &sums)),
        ("LAST", if lanes.broadcast { "q_last" } else { "q_end" }.into()),
        ("ROUNDS", rounds(lanes, what, &sums)),
        ("STORE", store(lanes, what, &sums)),
    ]
}

/// The other factor, and how a quad of it is read.
fn other(lanes: Lanes, what: Products) -> String {
    let text = if lanes.reads == Reads::Texture {
        return format!(
            "@group(0) @binding(3) var other: texture_storage_2d<rgba32float, read>;

fn other_quad(at: u32) -> vec4<f32> {{
    let place = {{RUN_OTHER}}at;
    return textureLoad(other, vec2<u32>(place % {COPY_WIDTH}u, place / {COPY_WIDTH}u));
}}"
        );
    } else if lanes.reads == Reads::Words && !what.model {
        "@group(0) @binding(3) var<storage, read> other: array<vec2<u64>>;

fn other_quad(at: u32) -> vec4<f32> {
    return of_words(other[at]);
}"
    } else {
        "@group(0) @binding(3) var<storage, read> other: array<vec4<f32>>;

fn other_quad(at: u32) -> vec4<f32> {
    return other[at];
}"
    };
    text.into()
}

/// The loop over a block, four summed entries at a time.
fn rounds(lanes: Lanes, what: Products, sums: &[(&str, &str)]) -> String {
    let steps = if lanes.broadcast { steps_broadcast(lanes, what, sums) } else { steps_staged(lanes, what, sums) };
    format!("        for (var b = 0u; b < filled; b += 4u) {{\n{}{steps}        }}", x_read(lanes))
}

fn share_note(lanes: Lanes) -> &'static str {
    if lanes.broadcast {
        "which the lanes of a subgroup read between them and hand to each other"
    } else {
        "which lies in workgroup memory, where all threads read the same place"
    }
}

fn side_note(lanes: Lanes) -> &'static str {
    match (lanes.cols, lanes.broadcast) {
        (true, _) => ", whole lines at a time:\n// neighbouring threads own neighbouring columns of X",
        (false, false) => {
            ", whole lines at a time,\n// and turned through workgroup memory: neighbouring threads own neighbouring rows of X"
        }
        (false, true) => ",\n// each thread along its own rows",
    }
}

fn staged_memory(lanes: Lanes) -> String {
    if lanes.broadcast {
        return String::new();
    }
    format!("var<workgroup> staged: array<vec4<f32>, {}>;", lanes.block() * lanes.quads)
}

/// A block of rows of other, and of X where that is turned, into workgroup memory.
fn stage(lanes: Lanes) -> String {
    if lanes.broadcast {
        return String::new();
    }
    format!(
        "        workgroupBarrier();
        for (var i = tid; i < {staged}u; i += 64u) {{
            let entry = q_base + i / {quads}u;
            let quad = i % {quads}u;
            var o = vec4<f32>();
            if (entry < q_end && quad < par.kq) {{
                o = other_quad((par.q0 + entry) * par.kq + quad);
            }}
            staged[i] = o;
        }}
{x}
        workgroupBarrier();",
        staged = lanes.block() * lanes.quads,
        quads = lanes.quads,
        x = x_stage(lanes)
    )
}

/// A tile of X lies in rows of one quad more than it has, so that threads that read the same quad of neighbouring rows meet
/// different banks.
fn x_memory(lanes: Lanes) -> String {
    if lanes.cols || lanes.broadcast {
        return String::new();
    }
    format!("var<workgroup> tile: array<vec4<f32>, {}>;\n", lanes.tile_rows() * (lanes.block() / 4 + 1))
}

/// The rows of a thread: neighbours where X is read along them, or where subgroups without rows have nothing to do, 64 apart where X is turned through workgroup memory.
fn place(lanes: Lanes) -> String {
    let rows: String = (0..lanes.rows)
        .map(|r| {
            if lanes.cols || lanes.broadcast {
                format!("    let row{r} = p_base + {}u * tid + {r}u;\n", lanes.rows)
            } else {
                format!("    let row{r} = p_base + tid + {}u;\n", 64 * r)
            }
        })
        .collect();
    if !lanes.broadcast {
        return rows;
    }
    // nobody waits for a subgroup here
    rows + "    // a subgroup without rows has nothing to add up\n    let q_last = select(0u, q_end, subgroupMin(row0) < par.p);\n"
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
    if lanes.cols || lanes.broadcast {
        return String::new();
    }
    let (quads, all) = (lanes.block() / 4, lanes.tile_rows() * lanes.block() / 4);
    format!(
        "        for (var i = tid; i < {all}u; i += 64u) {{
            let row = p_base + i / {quads}u;
            let quad = q_base / 4u + i % {quads}u;
            var here = vec4<f32>();
            if (row < par.p && quad < par.ld) {{
                here = x_at(row, quad);
            }}
            tile[(i / {quads}u) * {stride}u + i % {quads}u] = here;
        }}",
        stride = quads + 1
    )
}

/// Four summed entries of the rows of a thread: `x{r}` over the entries where X lies along them, `x{c}` over the rows otherwise.
fn x_read(lanes: Lanes) -> String {
    let mut text = String::new();
    if !lanes.cols && lanes.broadcast {
        text.push_str("            let quad = (q_base + b) / 4u;\n");
        for r in 0..lanes.rows {
            let _ = writeln!(text, "            let x{r} = x_at(min(row{r}, par.p - 1u), quad);");
        }
        return text;
    }
    if !lanes.cols {
        let stride = lanes.block() / 4 + 1;
        for r in 0..lanes.rows {
            let _ = writeln!(text, "            let x{r} = tile[(tid + {}u) * {stride}u + b / 4u];", 64 * r);
        }
        return text;
    }
    text.push_str("            let quad = row0 / 4u;\n");
    for c in 0..4 {
        if lanes.broadcast {
            let _ = writeln!(
                text,
                "            var x{c} = x_at(min(q_base + b + {c}u, q_end - 1u), min(quad, par.ld - 1u));
            x{c} = select(vec4<f32>(), x{c}, b + {c}u < filled);"
            );
        } else {
            let _ = writeln!(
                text,
                "            var x{c} = vec4<f32>();
            if (quad < par.ld && b + {c}u < filled) {{ x{c} = x_at(q_base + b + {c}u, quad); }}"
            );
        }
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

/// Four summed entries, from staged rows of other: each row is read once and used for V and for the sums.
fn steps_staged(lanes: Lanes, what: Products, sums: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for c in 0..4 {
        text.push_str("            {\n");
        for t in 0..lanes.quads {
            let _ = writeln!(text, "                let o{t} = staged[(b + {c}u) * {}u + {t}u];", lanes.quads);
        }
        text.push_str(&ratios(lanes, what, c, ""));
        for t in 0..lanes.quads {
            text.push_str(&accumulate(lanes, sums, t, &format!("o{t}"), ""));
        }
        text.push_str("            }\n");
    }
    text
}

/// The same where the lanes of a subgroup hold a row of other between them. V of all four entries comes first: then
/// a sum is touched once for four of them, which matters where registers are few. No read stands behind a condition:
/// indices are clamped; beyond the end X is zero and so are the ratios of D, and what is read of rows and quads that do not
/// exist goes into sums that are not stored.
fn steps_broadcast(lanes: Lanes, what: Products, sums: &[(&str, &str)]) -> String {
    let mut text = String::from("            {\n");
    for c in 0..4 {
        let _ =
            writeln!(text, "                let entry{c} = (par.q0 + min(q_base + b + {c}u, q_end - 1u)) * par.kq;");
        for part in 0..lanes.quads.div_ceil(8) {
            let last = lanes.quads - 1 - 8 * part;
            let _ = writeln!(
                text,
                "                let mine{c}_{part} = other_quad(entry{c} + min({}u + min(lane & 7u, {}u), par.kq - 1u));",
                8 * part,
                last.min(7)
            );
        }
    }
    let shared = |c: u32, t: u32| format!("subgroupBroadcast(mine{c}_{}, {}u)", t / 8, t % 8);
    for c in 0..4 {
        for t in 0..lanes.quads {
            if what.model {
                let _ = writeln!(text, "                let o{c}_{t} = {};", shared(c, t));
            }
        }
        text.push_str(&ratios(lanes, what, c, &format!("{c}_")));
    }
    for t in 0..lanes.quads {
        for c in 0..4 {
            let _ = writeln!(text, "                let a{c}_{t} = {};", shared(c, t));
            text.push_str(&accumulate(lanes, sums, t, &format!("a{c}_{t}"), &format!("{c}_")));
        }
    }
    text.push_str("            }\n");
    text
}

/// V and the ratios of one summed entry, `{tag}` in every name. Rows of other are o{tag}{t}.
fn ratios(lanes: Lanes, what: Products, c: u32, tag: &str) -> String {
    let Lanes { cols, rows, .. } = lanes;
    let mut text = String::new();
    let x = |r: u32| {
        if cols { format!("x{c}.{}", COMPONENTS[r as usize]) } else { format!("x{r}.{}", COMPONENTS[c as usize]) }
    };
    let four = |part: &dyn Fn(u32) -> String, rest: &str| {
        let parts: Vec<String> = (0..4).map(|r| if r < rows { part(r) } else { rest.into() }).collect();
        format!("vec4<f32>({})", parts.join(", "))
    };
    let _ = writeln!(text, "                let x{tag}here = {};", four(&x, "0.0"));
    if !what.model {
        let _ = writeln!(text, "                let n{tag}ratio = x{tag}here;");
        return text;
    }
    for r in 0..rows {
        text.push_str(&model(r, lanes, tag));
    }
    let _ = writeln!(text, "                let v{tag}all = model4({});", four(&|r| format!("v{tag}{r}"), "1.0"));
    if what.div {
        let _ = writeln!(text, "                var s{tag} = 0.0;");
        for r in 0..rows {
            let at = COMPONENTS[r as usize];
            let (x, v) = (format!("x{tag}here.{at}"), format!("v{tag}all.{at}"));
            let _ = writeln!(
                text,
                "                if (row{r} < par.p && b + {c}u < filled) {{ s{tag} += select(value({x}, {v}), {v}, is_nan({v})); }}"
            );
        }
        let _ = writeln!(text, "                sum = long_add(sum, s{tag});");
    }
    if !what.den {
        let _ = writeln!(text, "                let n{tag}ratio = negative4(x{tag}here, v{tag}all);");
        return text;
    }
    let _ = writeln!(
        text,
        "                let p{tag}all = positive4(v{tag}all);
                let n{tag}ratio = negative_of4(x{tag}here, v{tag}all, p{tag}all);"
    );
    let d = if lanes.broadcast {
        format!("select(vec4<f32>(), p{tag}all, b + {c}u < filled)")
    } else {
        format!("p{tag}all")
    };
    let _ = writeln!(text, "                let d{tag}ratio = {d};");
    text
}

/// Quad t of the sums of all rows.
fn accumulate(lanes: Lanes, sums: &[(&str, &str)], t: u32, o: &str, tag: &str) -> String {
    let mut text = String::new();
    for (acc, _) in sums {
        for r in 0..lanes.rows {
            let at = COMPONENTS[r as usize];
            let _ = writeln!(
                text,
                "                {acc}{r}_{t} = fma(vec4<f32>({acc}{tag}ratio.{at}), {o}, {acc}{r}_{t});"
            );
        }
    }
    text
}

/// v of one row: as many sums side by side as it takes to keep the pipeline busy, four with the other rows of the thread.
fn model(r: u32, lanes: Lanes, tag: &str) -> String {
    let chains = 4 / lanes.rows;
    let names: Vec<String> = (0..chains).map(|i| format!("v{tag}{r}_{i}")).collect();
    let mut text = String::new();
    for t in 0..lanes.quads {
        for (i, at) in COMPONENTS.iter().enumerate() {
            let chain = &names[i % chains as usize];
            if t == 0 && i < chains as usize {
                let _ = writeln!(text, "                var {chain} = f{r}_{t}.{at} * o{tag}{t}.{at};");
            } else {
                let _ = writeln!(text, "                {chain} = fma(f{r}_{t}.{at}, o{tag}{t}.{at}, {chain});");
            }
        }
    }
    let sum = match names.as_slice() {
        [a, b, c, d] => format!("({a} + {b}) + ({c} + {d})"),
        names => names.join(" + "),
    };
    let _ = writeln!(text, "                let v{tag}{r} = {sum};");
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
