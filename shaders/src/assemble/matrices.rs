//! The texts of passes by cooperative matrices: every matrix is a named variable, every product a line.

use super::{GROUP_SUM, Holes, LONG_SUM, NUMERIC, PARAMS, TILE, TILE_SUM, fill, loss_text, x_quads, x_text};
use crate::{Matrices, MatrixPass};
use std::fmt::Write;

pub(super) fn text(pass: MatrixPass) -> String {
    let MatrixPass { matrices, update, div, cols, half, .. } = pass;
    let tiles = if matrices.halves {
        include_str!("../../wgsl/matrices/halves.wgsl")
    } else {
        include_str!("../../wgsl/matrices/floats.wgsl")
    };
    let mut parts = vec![include_str!("../../wgsl/matrices/enable.wgsl"), PARAMS];
    parts.extend(update.map(loss_text).map(|loss| [NUMERIC, loss]).into_iter().flatten());
    parts.extend([
        TILE,
        x_quads(true, half),
        x_text(true, cols),
        include_str!("../../wgsl/matrices/teams.wgsl"),
        tiles,
    ]);
    if div {
        parts.extend([LONG_SUM, GROUP_SUM, TILE_SUM]);
    }
    parts.push(if update.is_some() {
        include_str!("../../wgsl/matrices/mu.wgsl")
    } else {
        include_str!("../../wgsl/matrices/cross.wgsl")
    });
    fill(&parts, &holes(&pass))
}

/// The matrices of one team in a block of the result.
fn of_team(m: Matrices) -> Vec<(u32, u32)> {
    let (rows, cols) = m.share();
    (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c))).collect()
}

/// A type, by its part in a product.
fn ty(m: Matrices, role: char) -> String {
    let number = if m.halves && role != 'C' { "f16" } else { "f32" };
    format!("coop_mat{0}x{0}<{number}, {role}>", m.size)
}

/// A line for each matrix of the team.
fn declare(m: Matrices, name: &str) -> String {
    of_team(m).iter().fold(String::new(), |mut text, (r, c)| {
        let _ = writeln!(text, "        var {name}_{r}{c} = zero;");
        text
    })
}

/// name += the tile a times the tile b, both staged; of b the transposed on request. `scale` is what halves are multiplied back with.
fn product(m: Matrices, name: &str, transposed: bool, scale: &str) -> String {
    let (rows, cols) = m.share();
    let size = m.size;
    let tiles: &[(&str, &str)] = if m.halves {
        &[("ah", "a_hi"), ("al", "a_lo"), ("bh", "b_hi"), ("bl", "b_lo")]
    } else {
        &[("a", "a_tile"), ("b", "b_tile")]
    };
    let pitch = if m.halves { 40 } else { 36 };
    let mut text = String::from("        {\n");
    if m.halves {
        text.push_str(&declare(m, "high"));
        text.push_str(&declare(m, "low"));
    }
    let _ = writeln!(text, "        for (var s = 0u; s < 32u; s += {size}u) {{");
    for r in 0..rows {
        let _ = writeln!(text, "            let at_a{r} = (row0 + {}u) * {pitch}u + s;", r * size);
    }
    for c in 0..cols {
        let at = if transposed {
            format!("(col0 + {}u) * {pitch}u + s", c * size)
        } else {
            format!("s * {pitch}u + col0 + {}u", c * size)
        };
        let _ = writeln!(text, "            let at_b{c} = {at};");
    }
    for (short, tile) in tiles {
        let is_a = short.starts_with('a');
        let (role, side, count) = if is_a { ('A', 'a', rows) } else { ('B', 'b', cols) };
        // the letter T stands for matrices that lie row by row
        let load = if is_a || !transposed { "coopLoadT" } else { "coopLoad" };
        for i in 0..count {
            let _ = writeln!(
                text,
                "            let {short}{i} = {load}<{}>(&{tile}[at_{side}{i}], {pitch}u);",
                ty(m, role)
            );
        }
    }
    for (r, c) in of_team(m) {
        if m.halves {
            let _ = writeln!(text, "            high_{r}{c} = coopMultiplyAdd(ah{r}, bh{c}, high_{r}{c});");
            let _ = writeln!(text, "            low_{r}{c} = coopMultiplyAdd(ah{r}, bl{c}, low_{r}{c});");
            let _ = writeln!(text, "            low_{r}{c} = coopMultiplyAdd(al{r}, bh{c}, low_{r}{c});");
        } else {
            let _ = writeln!(text, "            {name}_{r}{c} = coopMultiplyAdd(a{r}, b{c}, {name}_{r}{c});");
        }
    }
    text.push_str("        }\n");
    if m.halves {
        let _ = writeln!(text, "        let unit = {scale};\n        let small = unit / 2048.0;");
        for (r, c) in of_team(m) {
            let _ =
                writeln!(text, "        {name}_{r}{c} = {name}_{r}{c} + (high_{r}{c} * unit + low_{r}{c} * small);");
        }
    }
    text.push_str("        }\n");
    text
}

/// A block of the result to where the threads find it.
fn hand_over(m: Matrices, name: &str) -> String {
    of_team(m).iter().fold(String::new(), |mut text, (r, c)| {
        let at = format!("at_{name}_{r}{c}");
        let _ = writeln!(text, "        let {at} = (row0 + {}u) * 36u + col0 + {}u;", r * m.size, c * m.size);
        let _ = writeln!(text, "        coopStoreT({name}_{r}{c}, &result[{at}], 36u);");
        text
    })
}

fn holes(pass: &MatrixPass) -> Holes {
    let MatrixPass { matrices: m, div, blocks, .. } = *pass;
    let (rows, cols) = m.share();
    let across = 32 / m.size / cols;
    let places = format!(
        "    // where subgroups have another size than the text is made for, no result may look like one
    let poison = select(0.0, bitcast<f32>(0x7fc00000u | (tid & 0u)), subgroups != {teams}u);
    let me = Place(tid & 7u, tid >> 3u, min(subgroup, {last}u), lane);
    let row0 = me.team / {across}u * {tall}u;
    let col0 = me.team % {across}u * {wide}u;
    // a matrix of zeros comes from memory: what an empty constructor makes is not the same in every language of a driver
    for (var at = tid; at < 1152u; at += 64u) {{
        result[at] = 0.0;
    }}
    workgroupBarrier();
    let zero = coopLoadT<{sums}>(&result[0], 36u);
    workgroupBarrier();",
        sums = ty(m, 'C'),
        teams = m.teams,
        last = m.teams - 1,
        tall = rows * m.size,
        wide = cols * m.size
    );
    let (mut sums, mut accumulate, mut store) = (String::new(), String::new(), String::new());
    for block in 0..blocks {
        let name = format!("n{block}");
        sums.push_str(&declare(m, &name));
        let right = format!("rows_of_other(q_base + 4u * me.ty, quad0 + {}u + me.tx)", 8 * block);
        let staged = match (m.halves, block) {
            (true, 0) => format!("let back = stage_both(left, {right}, me);"),
            (true, _) => format!("let back{block} = stage_b({right}, me);"),
            (false, 0) => format!("stage_both(left, {right}, me);"),
            (false, _) => format!("stage_b({right}, me);"),
        };
        let scale = if block == 0 { "back.x * back.y".to_string() } else { format!("back.x * back{block}") };
        let _ = write!(accumulate, "        {staged}\n{}", product(m, &name, false, &scale));
        let _ = write!(store, "    workgroupBarrier();\n{}    workgroupBarrier();\n", hand_over(m, &name));
        let _ = writeln!(
            store,
            "    for (var i = 0u; i < 4u; i += 1u) {{
        let row = p_base + 4u * me.ty + i;
        let quad = quad0 + {}u + me.tx;
        if (row < par.p && quad < par.kq) {{
            num[(par.out0 + chunk * par.p + row) * par.kq + quad] = result_quad(4u * me.ty + i, me.tx) + vec4<f32>(poison);
        }}
    }}",
            8 * block
        );
    }
    let staged =
        "stage_both(rows_of_f(p_base + 4u * me.ty, k4 + me.tx), rows_of_other(q_base + 4u * me.ty, k4 + me.tx), me);";
    let model = format!(
        "{}        for (var k4 = 0u; k4 < par.kq; k4 += 8u) {{\n        {}{staged}\n{}        }}\n{}",
        declare(m, "v"),
        if m.halves { "let back = " } else { "" },
        product(m, "v", true, "back.x * back.y"),
        hand_over(m, "v")
    );
    let enable =
        if m.halves { "enable f16;\nenable wgpu_cooperative_matrix;" } else { "enable wgpu_cooperative_matrix;" };
    let div = |text: &str| if div { text.to_string() } else { String::new() };
    vec![
        ("ENABLE", enable.into()),
        ("TEAMS", m.teams.to_string()),
        ("BLOCKS", blocks.to_string()),
        ("BLOCK_QUADS", (8 * blocks).to_string()),
        ("PLACES", places),
        ("DECLARE", sums),
        ("MODEL", model),
        ("ACCUMULATE", accumulate),
        ("STORE", store),
        ("BINDINGS", div("@group(0) @binding(6) var<storage, read_write> sums: array<f32>;\n")),
        ("SUM_DECLARE", div("    var sum = LongSum(0.0, 0.0, 0.0, 0u);")),
        ("SUM_STEP", div("        sum = long_add(sum, tile_sum(xt, v, p_base, q_base, me.tx, me.ty));")),
        (
            "SUM_STORE",
            div("    let total = group_sum(tid, long_total(sum));
    if (tid == 0u && quad0 == 0u) {
        sums[par.sum0 + g] = total + poison;
    }"),
        ),
    ]
}
