//! The holes of the kernels over stored entries.

use super::{Holes, output};
use crate::Gather;
use std::fmt::Write;

/// A result of a row: its accumulator, the buffer it goes to, and its place among those of a piece of a long row.
type Output = (&'static str, &'static str, &'static str);

const NUM: Output = ("n", "num", "g");
const DEN: Output = ("d", "den", "par.chunks + g");

fn outputs(den: bool) -> &'static [Output] {
    if den { &[NUM, DEN] } else { &[NUM] }
}

/// acc ← α·result, or acc + α·result, for row `row` and quad `quad` of the group; `pieces` of long rows go where segment_sum.wgsl
/// finds them.
fn store(den: bool, pieces: bool, indent: usize) -> String {
    let (mut piece, mut add, mut set) = (String::new(), String::new(), String::new());
    for (acc, to, slot) in outputs(den) {
        for (i, component) in ["x", "y", "z", "w"].into_iter().enumerate() {
            let _ = writeln!(piece, "    part[4u * (({slot}) * par.kq + quad) + {i}u] = {acc}.{component};");
        }
        let _ = writeln!(add, "    {to}[to] = fma(vec4<f32>(par.alpha), {acc}, {to}[to]);");
        let _ = writeln!(set, "    {to}[to] = par.alpha * {acc};");
    }
    let pieces = if pieces { format!("if (g < par.chunks) {{\n{piece}}} else ") } else { String::new() };
    let text = format!(
        "let to = (par.p0 + group.row + row) * par.kq + quad;
{pieces}if ((par.flags & 1u) != 0u || ((par.flags & 2u) != 0u && group.row + row == 0u)) {{
{add}}} else {{
{set}}}"
    );
    let indent = " ".repeat(indent);
    text.lines().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// The stored entries of sparse X: numbers, or pairs of a number and its weight.
pub(super) fn entry_holes(weighted: bool) -> Holes {
    let (value, x, times, note) =
        if weighted { ("vec2<f32>", ".x", " * values[at].y", " and its weight") } else { ("f32", "", "", "") };
    vec![("VALUE", value.into()), ("X", x.into()), ("TIMES", times.into()), ("WEIGHT_NOTE", note.into())]
}

pub(super) fn cross_csr_holes(weighted: bool) -> Holes {
    let mut holes = entry_holes(weighted);
    holes.push(("STORE", store(false, true, 12)));
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
    let mut holes = lane_holes(8, weighted);
    holes.push(("KEPT", "64".into()));
    holes
}

pub(super) fn mu_csr_holes(weighted: bool, gather: Gather, den: bool, div: bool) -> Holes {
    let mut bindings = output(6, "num");
    let (mut memory, mut clear, mut entry) = (String::new(), String::new(), String::new());
    let (mut add, mut reset, mut parts_sum) = (String::new(), String::new(), String::new());
    let (mut declare, mut sums) = (String::new(), String::new());
    if den {
        bindings.push_str(&output(7, "den"));
        memory.push_str("var<workgroup> entry_den: array<f32, {KEPT}>;\n");
        clear.push_str("        entry_den[kept + tid] = 0.0;");
        entry.push_str("            entry_den[kept + tid] = positive4(v).x{ENTRY_TIMES};\n");
        add.push_str("                        d = fma(vec4<f32>(entry_den[j]), o, d);");
        reset.push_str("                var d = vec4<f32>();");
        parts_sum.push_str("                    d = row_sum(tid, d, width, parts);");
    }
    if div {
        declare.push_str("    var sum = 0.0;\n    var sum_unstored = 0.0;\n");
        entry.push_str(
            "            sum += select(value(x, v.x), v.x, is_nan(v.x)){ENTRY_TIMES};
            sum_unstored += unstored(raw);\n",
        );
        sums.push_str(
            "    let total = group_sum(tid, sum);
    if (tid == 0u) {
        part[par.sum0 + g] = total;
    }
    let total_unstored = group_sum(tid, sum_unstored);
    if (tid == 0u) {
        part[par.sum1 + g] = total_unstored;
    }",
        );
    }
    let mut one_row = one_row(den);
    let (multiply, accumulate) = match gather {
        Gather::Held(lanes) => hold(lanes, den, &mut declare),
        Gather::Again => again(den, &mut declare),
        Gather::Wide => {
            one_row.clear();
            ("        multiply(group.rows == 1u, kept, filled, tid);".into(), String::new())
        }
    };
    let (lanes, width) = match gather {
        Gather::Held(lanes) => (lanes, "LANES"),
        Gather::Again => (8, "par.width"),
        Gather::Wide => (8, "64u"),
    };
    let (kept, kept_at, blocks) =
        if gather == Gather::Wide { ("512", "tile - group.first", "(par.kq + 63u) / 64u") } else { ("64", "0u", "1u") };
    let note = match gather {
        Gather::Held(_) => {
            "// Rows of this length stay in registers between the two products, without occupying workgroup memory. Where a group
// has several rows, lanes change rows in between and read again: 64 gathered rows are still in the first-level cache."
        }
        Gather::Again => {
            "// Rows of this length do not stay in registers: the second product reads the 64 rows again, while the first-level
// cache may still have them."
        }
        Gather::Wide => {
            "// 64 rows of this length are more than a first-level cache holds anyway. So the ratios of the whole group are kept,
// and the second product reads the rows again, 64 quads of all of them at a time."
        }
    };
    let mut holes = vec![
        ("BINDINGS", bindings),
        ("GATHER_NOTE", note.into()),
        ("DEN_MEMORY", memory),
        ("WIDTH", width.into()),
        ("DECLARE", declare),
        ("MULTIPLY", multiply),
        ("CLEAR", clear),
        ("ENTRY", entry),
        ("ACCUMULATE", accumulate),
        ("ONE_ROW", one_row),
        ("BLOCKS", blocks.into()),
        ("ADD", add),
        ("RESET", reset),
        ("PARTS_SUM", parts_sum),
        ("STORE_ROWS", store(den, gather == Gather::Wide, 20)),
        ("SUMS", sums),
        ("KEPT_AT", kept_at.into()),
        ("KEPT", kept.into()),
    ];
    holes.extend(lane_holes(lanes, weighted));
    holes
}

/// The sums of a group of one row, whose entries may be more than are kept, were made along the way.
fn one_row(den: bool) -> String {
    let (sum, store) = (if den { "        d = row_sum(tid, d, width, teams);\n" } else { "" }, store(den, true, 12));
    format!(
        "    if (group.rows == 1u) {{
        let row = 0u;
        n = row_sum(tid, n, width, teams);
{sum}        if (team == 0u && quad < par.kq) {{
{store}
        }}
    }} else "
    )
}

/// The accumulators of a group of one row.
fn declare_sums(den: bool, declare: &mut String) {
    declare.push_str("    let quad = tid % width;\n    let near = min(quad, par.kq - 1u);\n    var n = vec4<f32>();\n");
    if den {
        declare.push_str("    var d = vec4<f32>();\n");
    }
}

/// The two products where the gathered rows are read again.
fn again(den: bool, declare: &mut String) -> (String, String) {
    declare_sums(den, declare);
    let mut accumulate = String::from(
        "        if (group.rows == 1u) {
            for (var j = team; j < filled; j += teams) {
                let o = other[entry_other[j] + near];
                n = fma(vec4<f32>(entry_ratio[j]), o, n);\n",
    );
    if den {
        accumulate.push_str("                d = fma(vec4<f32>(entry_den[j]), o, d);\n");
    }
    accumulate.push_str("            }\n        }");
    ("        multiply(group.rows == 1u, kept, filled, tid);".into(), accumulate)
}

/// The two products with the gathered rows in registers: `lanes` of them per thread, named and unrolled in the text, all gathers
/// under way at once. Lanes beyond the row read its last quad, which costs no traffic, and count as zero.
fn hold(lanes: u32, den: bool, declare: &mut String) -> (String, String) {
    declare_sums(den, declare);
    declare.push_str(
        "    let live = quad < par.kq;
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
    (gather + &multiply, format!("        if (group.rows == 1u) {{\n{accumulate}        }}"))
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
