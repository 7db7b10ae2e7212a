//! Holes of the kernels that go over the rows of a factor, column after column.

use super::{Holes, entry_holes};
use crate::{Over, Power};
use std::fmt::Write;

/// A loop over the free columns q, one after the other or in the order of a buffer.
pub(super) fn visit_holes(shuffled: bool, binding: u32) -> Holes {
    let (visit, visit_note, order, order_note) = if shuffled {
        (
            "        for (var i = 0u; i < par.k - par.fixed; i += 1u) {\n            let q = order[i];",
            " (in the order given)",
            format!("@group(0) @binding({binding}) var<storage, read> order: array<u32>;\n"),
            format!("; {binding} the columns in their order"),
        )
    } else {
        ("        for (var q = par.fixed; q < par.k; q += 1u) {", "", String::new(), String::new())
    };
    vec![("VISIT", visit.into()), ("VISIT_NOTE", visit_note.into()), ("ORDER", order), ("ORDER_NOTE", order_note)]
}

pub(super) fn newton_holes(over: Over, shuffled: bool) -> Holes {
    let sparse = over != Over::Strip;
    let mut bindings = String::new();
    if sparse {
        bindings.push_str("@group(0) @binding(1) var<storage, read> rows: array<u32>;\n");
        bindings.push_str("@group(0) @binding(2) var<storage, read> columns: array<u32>;\n");
    }
    let value = if over == Over::Weighted { "vec2<f32>" } else { "f32" };
    let _ = writeln!(bindings, "@group(0) @binding(3) var<storage, read> values: array<{value}>;");
    if over == Over::All {
        bindings.push_str("@group(0) @binding(6) var<storage, read> colsum: array<vec4<f32>>;\n");
    }
    let range = if sparse {
        "    // a row gathered from several windows comes alone
    var begin = 0u;
    var end = par.chunk;
    if ((par.flags & 1u) == 0u) {
        begin = rows[row];
        end = rows[row + 1u];
    }"
    } else {
        "    let begin = g * par.q;
    let end = begin + par.q;"
    };
    let (over_note, bindings_note) = match over {
        Over::All => (
            "over all entries; those not stored are zeros and add o_q",
            "1 first entry of each row; 2 columns; 3 values; 6 column sums of other",
        ),
        Over::Stored => ("over the stored entries", "1 first entry of each row; 2 columns; 3 values"),
        Over::Weighted => (
            "over the stored entries, each term times its weight",
            "1 first entry of each row; 2 columns; 3 values with their weights",
        ),
        Over::Strip => ("over all entries", "3 rows of X̃, q numbers each"),
    };
    // with all entries Σ o_q is a column sum, known for all rows
    let (slope, colsum) = if over == Over::All { ("-xr", " + colsum[q / 4u][q & 3u]") } else { ("o - xr", "") };
    let mut holes = vec![
        ("BINDINGS", bindings),
        ("BINDINGS_NOTE", bindings_note.into()),
        ("OVER_NOTE", over_note.into()),
        ("RANGE", range.into()),
        ("COLUMN", if sparse { "columns[at]".into() } else { "(at - begin)".into() }),
        ("SLOPE", slope.into()),
        ("COLSUM", colsum.into()),
    ];
    holes.extend(visit_holes(shuffled, 8));
    holes.extend(entry_holes(over == Over::Weighted));
    holes
}

/// Neighbouring threads read neighbouring numbers of X, whichever side it is.
pub(super) fn strip_holes(cols: bool) -> Holes {
    let (place, from) = if cols {
        ("    let row = i % par.p;\n    let entry = i / par.p;", "entry * par.ld * 4u + par.p0 + row")
    } else {
        ("    let row = i / par.q;\n    let entry = i % par.q;", "(par.p0 + row) * par.ld * 4u + entry")
    };
    vec![("PLACE", place.into()), ("FROM", from.into())]
}

pub(super) fn hals_holes(quads: u32, shuffled: bool) -> Holes {
    let mut holes = visit_holes(shuffled, 4);
    holes.extend([("ROW_QUADS", quads.to_string()), ("GRAM_QUADS", (4 * quads * quads).to_string())]);
    holes
}

/// What becomes of `w`, from `n`, `d` and the parameters.
pub(super) fn apply_holes(power: Power) -> Holes {
    let ratio = "    let ratio = n / floored4(fma(vec4<f32>(par.l2), w, d));\n";
    let (note, next) = match power {
        Power::One => ("f ← f ∘ (N ⊘ max(D + l1 + l2·f, FLOOR))", format!("{ratio}    var next = w * ratio;\n")),
        Power::Half => (
            "f ← f ∘ (N ⊘ max(D + l1 + l2·f, FLOOR))^½",
            format!(
                "{ratio}    var next = w * select(min(root4(ratio), vec4<f32>(MOST)), vec4<f32>(), ratio <= vec4<f32>());\n"
            ),
        ),
        Power::Any => (
            "f ← f ∘ (N ⊘ max(D + l1 + l2·f, FLOOR))^γ",
            format!("{ratio}    var next = w * powr4(ratio, par.gamma);\n"),
        ),
        Power::Quadratic => (
            "f ← the positive root w of l2·w² + (D + l1)·w − N·f = 0, in the form that does not cancel,",
            "    let nw = n * w;
    let s = d + root4(fma(d, d, 4.0 * par.l2 * nw));
    var next = select(vec4<f32>(), 2.0 * nw / max(s, vec4<f32>(LEAST)), s > vec4<f32>());
"
            .into(),
        ),
    };
    vec![("WHAT_NOTE", note.into()), ("NEXT", next)]
}
