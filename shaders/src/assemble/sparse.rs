//! The holes of the kernels over stored entries.

use super::{Holes, output};
use std::fmt::Write;

/// A result of a row: its accumulator, the buffer it goes to, and its place among those of a piece of a long row.
type Output = (&'static str, &'static str, &'static str);

const NUM: Output = ("n", "num", "s");
const DEN: Output = ("d", "den", "par.chunks + s");

fn outputs(den: bool) -> &'static [Output] {
    if den { &[NUM, DEN] } else { &[NUM] }
}

/// acc ← α·result, or acc + α·result; pieces of long rows go where segment_sum.wgsl finds them.
fn store(den: bool) -> String {
    let (mut piece, mut add, mut set) = (String::new(), String::new(), String::new());
    for (acc, to, slot) in outputs(den) {
        for (i, component) in ["x", "y", "z", "w"].into_iter().enumerate() {
            let _ = writeln!(piece, "            part[4u * (({slot}) * par.kq + quad) + {i}u] = {acc}.{component};");
        }
        let _ = writeln!(add, "            {to}[to] = fma(vec4<f32>(par.alpha), {acc}, {to}[to]);");
        let _ = writeln!(set, "            {to}[to] = par.alpha * {acc};");
    }
    format!(
        "        let to = (par.p0 + group.row + row) * par.kq + quad;
        if (s < par.chunks) {{
{piece}        }} else if ((par.flags & 1u) != 0u || ((par.flags & 2u) != 0u && group.row + row == 0u)) {{
{add}        }} else {{
{set}        }}"
    )
}

/// The stored entries of sparse X: numbers, or pairs of a number and its weight.
pub(super) fn entry_holes(weighted: bool) -> Holes {
    let (value, x, times, note) =
        if weighted { ("vec2<f32>", ".x", " * values[at].y", " and its weight") } else { ("f32", "", "", "") };
    vec![("VALUE", value.into()), ("X", x.into()), ("TIMES", times.into()), ("WEIGHT_NOTE", note.into())]
}

pub(super) fn cross_csr_holes(weighted: bool) -> Holes {
    let mut holes = entry_holes(weighted);
    holes.push(("STORE", store(false)));
    holes
}

/// Lanes side by side on a gathered row, of the 64 of a workgroup; and a thread's own entry.
fn lane_holes(lanes: u32, weighted: bool) -> Holes {
    let mut holes = entry_holes(weighted);
    holes.extend([
        ("LANES", lanes.to_string()),
        ("LANE_SUMS", (64 * (lanes + 1)).to_string()),
        ("ENTRY_TIMES", if weighted { " * entry.y".into() } else { String::new() }),
    ]);
    holes
}

pub(super) fn divergence_csr_holes(weighted: bool) -> Holes {
    lane_holes(8, weighted)
}

/// `held`: rows of up to so many quads stay in registers between the two products; 0: rows of any length do not.
pub(super) fn mu_csr_holes(weighted: bool, held: u32, den: bool, div: bool) -> Holes {
    let mut bindings = output(6, "num");
    let (mut memory, mut declare, mut clear, mut entry) = (String::new(), String::new(), String::new(), String::new());
    let (mut add, mut reset, mut sum, mut parts_sum) = (String::new(), String::new(), String::new(), String::new());
    let mut sums = String::new();
    if den {
        bindings.push_str(&output(7, "den"));
        memory.push_str("var<workgroup> entry_den: array<f32, 64>;\n");
        declare.push_str("    var d = vec4<f32>();\n");
        clear.push_str("        entry_den[tid] = 0.0;");
        entry.push_str("            entry_den[tid] = positive4(v).x{ENTRY_TIMES};\n");
        add.push_str("                    d = fma(vec4<f32>(entry_den[j]), o, d);");
        reset.push_str("            d = vec4<f32>();");
        sum.push_str("        d = row_sum(tid, d, width, teams);");
        parts_sum.push_str("                d = row_sum(tid, d, width, parts);");
    }
    if div {
        declare.push_str("    var sum = 0.0;\n    var sum_unstored = 0.0;\n");
        entry.push_str(
            "            sum += select(value(x, v.x), v.x, is_nan(v.x)){ENTRY_TIMES};
            sum_unstored += unstored(raw);\n",
        );
        sums.push_str(
            "    let total = group_sum(tid, sum);
    if (tid == 0u && g < par.count) {
        part[par.sum0 + s] = total;
    }
    let total_unstored = group_sum(tid, sum_unstored);
    if (tid == 0u && g < par.count) {
        part[par.sum1 + s] = total_unstored;
    }",
        );
    }
    let (multiply, accumulate) = if held == 0 { again(den) } else { hold(held, den, &mut declare) };
    let note = if held == 0 {
        "Rows of this length do not stay in\n// registers: the second product reads the 64 rows again, while the first-level cache may still have them."
    } else {
        "Rows of this length stay in\n// registers between the two products, without occupying workgroup memory. Where a group has several rows, lanes\n// change rows in between and read again: 64 short gathered rows are still in the first-level cache."
    };
    let mut holes = vec![
        ("BINDINGS", bindings),
        ("HOLD_NOTE", note.into()),
        ("DEN_MEMORY", memory),
        ("WIDTH", if held == 0 { "par.width".into() } else { "LANES".into() }),
        ("DECLARE", declare),
        ("MULTIPLY", multiply),
        ("CLEAR", clear),
        ("ENTRY", entry),
        ("ACCUMULATE", accumulate),
        ("ADD", add),
        ("RESET", reset),
        ("SUM", sum),
        ("PARTS_SUM", parts_sum),
        ("STORE", store(den)),
        ("SUMS", sums),
    ];
    holes.extend(lane_holes(if held == 0 { 8 } else { held }, weighted));
    holes
}

/// The two products where the gathered rows are read again.
fn again(den: bool) -> (String, String) {
    let mut accumulate = String::from(
        "            for (var j = team; j < filled; j += teams) {
                let o = other[entry_other[j] + quad_read];
                n = fma(vec4<f32>(entry_ratio[j]), o, n);\n",
    );
    if den {
        accumulate.push_str("                d = fma(vec4<f32>(entry_den[j]), o, d);\n");
    }
    accumulate.push_str("            }");
    let accumulate = accumulate.replace("quad_read", "min(quad, par.kq - 1u)");
    ("        multiply(group.rows == 1u, filled, tid);".into(), accumulate)
}

/// The two products with the gathered rows in registers: `lanes` of them per thread, named and unrolled in the text, all gathers
/// under way at once. Lanes beyond the row read its last quad, which costs no traffic, and count as zero.
fn hold(lanes: u32, den: bool, declare: &mut String) -> (String, String) {
    declare.push_str(
        "    let near = min(quad, par.kq - 1u);
    let live = quad < par.kq;
    // one row for all entries, or of each entry its own
    var w = vec4<f32>();
    if (group.rows == 1u) {
        w = f[(par.p0 + group.row) * par.kq + near];
    }\n",
    );
    let step = 64 / lanes;
    let (mut gather, mut multiply, mut accumulate) = (String::new(), String::new(), String::new());
    for u in 0..lanes {
        let _ = writeln!(gather, "        var o{u} = vec4<f32>();");
    }
    for block in (0..lanes).step_by(4) {
        // a tile has entries, so the first four gathers are always due
        let open =
            if block == 0 { "        {\n".into() } else { format!("        if ({}u < filled) {{\n", block * step) };
        gather.push_str(&open);
        multiply.push_str(&open);
        for u in block..block + 4 {
            let _ = writeln!(gather, "            o{u} = other[entry_other[team + {}u] + near];", u * step);
        }
        for (same, condition) in [(true, "if (group.rows == 1u) {"), (false, "} else {")] {
            let _ = writeln!(multiply, "            {condition}");
            for u in block..block + 4 {
                let at = format!("team + {}u", u * step);
                let row = if same { "w".into() } else { format!("f[entry_f[{at}] + near]") };
                let _ = writeln!(
                    multiply,
                    "                lane_sum[({at}) * (LANES + 1u) + quad] = select(0.0, dot({row}, o{u}), live);"
                );
            }
        }
        gather.push_str("        }\n");
        multiply.push_str("            }\n        }\n");
        for u in block..block + 4 {
            let _ = writeln!(accumulate, "            n = fma(vec4<f32>(entry_ratio[team + {}u]), o{u}, n);", u * step);
            if den {
                let _ =
                    writeln!(accumulate, "            d = fma(vec4<f32>(entry_den[team + {}u]), o{u}, d);", u * step);
            }
        }
    }
    (gather + &multiply, accumulate)
}

pub(super) fn segment_sum_holes(den: bool) -> Holes {
    let mut bindings = String::new();
    let mut sum = String::new();
    let (mut add, mut set) = (String::new(), String::new());
    if den {
        bindings.push_str(&output(4, "den"));
        sum.push_str("    let d = pieces(par.chunks + index[at + 1u], par.chunks + index[at + 2u], quad);");
    }
    for (acc, to, _) in outputs(den) {
        let _ = writeln!(add, "        {to}[to] = fma(vec4<f32>(par.alpha), {acc}, {to}[to]);");
        let _ = writeln!(set, "        {to}[to] = par.alpha * {acc};");
    }
    let store = format!(
        "    let to = (par.p0 + row) * par.kq + quad;
    if ((par.flags & 1u) != 0u || ((par.flags & 2u) != 0u && row == 0u)) {{
{add}    }} else {{
{set}    }}"
    );
    let notes = if den { [", of N and of D", " of N, then for D", "; 4 D"] } else { [""; 3] };
    vec![
        ("DEN_NOTE", notes[0].into()),
        ("PART_NOTE", notes[1].into()),
        ("BINDING_NOTE", notes[2].into()),
        ("BINDINGS", bindings),
        ("SUM", sum),
        ("STORE", store),
    ]
}
