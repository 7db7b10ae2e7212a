//! Holes of the HALS kernel that goes through blocks of columns. Rows in registers are named quads, unrolled in the text.

use super::Holes;
use super::rows::visit_holes;
use std::fmt::Write;

/// Lines of the text for each of `count` values of `#`.
fn each(count: u32, line: &str) -> String {
    (0..count).map(|i| line.replace('#', &i.to_string())).collect()
}

/// The place of quad t of the thread's own row.
const OWN: &str = "rows[tid * 8u + (#u ^ (tid & 7u))]";

/// The 32 rows and up to 32 columns of G that a tile of rows meets. The columns of a natural order lie side by side; those of
/// a random order are rows as well, as G is symmetric, and each thread turns 4 × 4 numbers round.
const STAGE_GRAM: [&str; 2] = [
    "                for (var at = tid; at < 256u; at += 64u) {
                    let row = 32u * t + at / 8u;
                    var v = vec4<f32>();
                    if (row < par.k && 8u * b + at % 8u < par.kq) {
                        v = gram[row * par.kq + 8u * b + at % 8u];
                    }
                    block[at] = v;
                }",
    "                {
                    var v0 = vec4<f32>();
                    var v1 = v0;
                    var v2 = v0;
                    var v3 = v0;
                    if (8u * t + ty < par.kq) {
                        v0 = gram[columns[4u * tx] * par.kq + 8u * t + ty];
                        v1 = gram[columns[4u * tx + 1u] * par.kq + 8u * t + ty];
                        v2 = gram[columns[4u * tx + 2u] * par.kq + 8u * t + ty];
                        v3 = gram[columns[4u * tx + 3u] * par.kq + 8u * t + ty];
                    }
                    block[32u * ty + tx] = vec4<f32>(v0.x, v1.x, v2.x, v3.x);
                    block[32u * ty + 8u + tx] = vec4<f32>(v0.y, v1.y, v2.y, v3.y);
                    block[32u * ty + 16u + tx] = vec4<f32>(v0.z, v1.z, v2.z, v3.z);
                    block[32u * ty + 24u + tx] = vec4<f32>(v0.w, v1.w, v2.w, v3.w);
                }",
];

/// For each row of a thread in the product: its share of the tiles, one quad of depth after the other.
fn product(rows: u32) -> String {
    let mut text = each(rows, "                var n# = vec4<f32>();\n");
    text.push_str("                for (var s = 0u; s < depth; s += 1u) {\n");
    text.push_str(&each(4, "                    let g# = block[(4u * s + #u) * 8u + tx];\n"));
    // a row at a time, so that few of them are held at once
    let mut row = String::from("                    let f# = rows[(ty + 8u * #u) * 8u + (s ^ ty)];\n");
    for (i, component) in ["x", "y", "z", "w"].into_iter().enumerate() {
        let _ = writeln!(row, "                    n# = fma(vec4<f32>(f#.{component}), g{i}, n#);");
    }
    text.push_str(&each(rows, &row));
    text.push_str("                }\n");
    text.push_str(&each(rows, "                c# += n#;\n"));
    text
}

/// The columns of a block one after the other: r is A − f·G − l1 with all former steps, w the row.
fn steps() -> String {
    let mut text = String::from("                var part = 0.0;\n");
    for j in 0..32 {
        let (quad, c) = (j / 4, ["x", "y", "z", "w"][j % 4]);
        let _ = writeln!(text, "                let s{j} = (r{quad}.{c} - par.l2 * w{quad}.{c}) * inverse[{j}];");
        let _ = writeln!(
            text,
            "                let v{j} = select(w{quad}.{c}, max(0.0, w{quad}.{c} + s{j}), inverse[{j}] > 0.0);"
        );
        let _ = writeln!(text, "                let d{j} = v{j} - w{quad}.{c};");
        let _ = writeln!(text, "                w{quad}.{c} = v{j};");
        let _ = writeln!(text, "                part = fma(d{j}, d{j}, part);");
        // columns visited already find their r anew in the next pass
        for later in (j + 1) / 4..8 {
            let _ = writeln!(
                text,
                "                r{later} = fma(vec4<f32>(-d{j}), block[{}u], r{later});",
                8 * j + later
            );
        }
    }
    text.push_str("                moved += part;\n");
    text
}

/// Columns side by side: quads of A and f, which go through workgroup memory to the threads of their rows and back.
fn natural_holes(rows: u32, share: u32) -> Holes {
    let own = |line: &str| each(8, &line.replace("OWN", OWN));
    let residual = each(
        share,
        "            {
                let at = (row0 + ty + 8u * #u) * par.kq + 8u * b + tx;
                var r = vec4<f32>();
                if (row0 + ty + 8u * #u < par.p && 8u * b + tx < par.kq) {
                    r = a[at] - c# - par.l1;
                }
                rows[(ty + 8u * #u) * 8u + (tx ^ ty)] = r;
            }
",
    );
    // who writes a quad is who reads it for the next blocks
    let store = format!(
        "            if (tid < {rows}u) {{
{}            }}
            workgroupBarrier();
{}",
        own("                OWN = w#;\n"),
        each(
            share,
            "            if (row0 + ty + 8u * #u < par.p && 8u * b + tx < par.kq) {
                f[(row0 + ty + 8u * #u) * par.kq + 8u * b + tx] = rows[(ty + 8u * #u) * 8u + (tx ^ ty)];
            }
",
        )
    );
    let take = format!("            if (tid < {rows}u) {{\n{}            }}", own("                w# = OWN;\n"));
    vec![
        ("COLUMNS", String::new()),
        ("FIRST_BLOCK", "par.fixed / 32u".into()),
        ("END", "par.k".into()),
        (
            "PLACE",
            "                let q = 32u * b + tid;\n                let free = q >= par.fixed && q < par.k;".into(),
        ),
        (
            "TILE_NUMBER",
            "                // the block's own columns last: rows and G then lie ready for the steps
                var t = b + 1u + i;
                if (t >= tiles) {
                    t = t - tiles;
                }"
            .into(),
        ),
        ("STAGE_GRAM", STAGE_GRAM[0].into()),
        ("TAKE_ROW", each(8, "            var w# = vec4<f32>();\n") + &take),
        ("STAGE_RESIDUAL", residual),
        ("STORE", store),
    ]
}

/// Columns in random order: entries of A and f are gathered, and each row is scattered back by its own thread.
fn shuffled_holes(share: u32) -> Holes {
    let quad = |from: &str, at: &str| {
        let entries = ["x", "y", "z", "w"].map(|c| format!("{from}[{at} + q.{c} / 4u][q.{c} & 3u]"));
        format!("vec4<f32>({})", entries.join(", "))
    };
    let residual = each(
        share,
        &format!(
            "            {{
                let at = (row0 + ty + 8u * #u) * par.kq;
                var r = vec4<f32>();
                if (row0 + ty + 8u * #u < par.p) {{
                    let q = four(tx);
                    r = {} - c# - par.l1;
                }}
                rows[(ty + 8u * #u) * 8u + (tx ^ ty)] = r;
            }}
",
            quad("a", "at")
        ),
    );
    let own_gram = format!(
        "            for (var at = tid; at < 256u; at += 64u) {{
                let line = columns[at / 8u] * par.kq;
                let q = four(at % 8u);
                block[at] = {};
            }}
",
        quad("gram", "line")
    );
    let take = format!(
        "            let own = (row0 + tid) * par.kq;
            if (going) {{
{}            }}",
        each(
            8,
            &format!(
                "                {{
                    let q = four(#u);
                    w# = {};
                }}
",
                quad("f", "own")
            )
        )
    );
    let mut store = String::from("            if (going) {\n");
    for j in 0..32 {
        let (quad, c) = (j / 4, ["x", "y", "z", "w"][j % 4]);
        let _ = writeln!(store, "                if (inverse[{j}] > 0.0) {{");
        let _ = writeln!(store, "                    f[own + columns[{j}] / 4u][columns[{j}] & 3u] = w{quad}.{c};");
        store.push_str("                }\n");
    }
    // others read these rows for the next block
    store.push_str("            }\n            storageBarrier();\n            workgroupBarrier();");
    vec![
        (
            "COLUMNS",
            "
// of the block; behind the last of all, that one again
var<workgroup> columns: array<u32, 32>;

fn four(quad: u32) -> vec4<u32> {
    let i = 4u * quad;
    return vec4<u32>(columns[i], columns[i + 1u], columns[i + 2u], columns[i + 3u]);
}
"
            .into(),
        ),
        ("FIRST_BLOCK", "0u".into()),
        ("END", "par.k - par.fixed".into()),
        (
            "PLACE",
            "                let free = 32u * b + tid < par.k - par.fixed;
                let q = order[min(32u * b + tid, par.k - par.fixed - 1u)];
                columns[tid] = q;"
                .into(),
        ),
        ("TILE_NUMBER", "                let t = i;".into()),
        ("STAGE_GRAM", STAGE_GRAM[1].into()),
        ("TAKE_ROW", each(8, "            var w# = vec4<f32>();\n") + &take),
        ("STAGE_RESIDUAL", residual + &own_gram),
        ("STORE", store),
    ]
}

pub(super) fn holes(rows: u32, shuffled: bool) -> Holes {
    // a thread of the product has every eighth row
    let share = rows / 8;
    let mut holes = if shuffled { shuffled_holes(share) } else { natural_holes(rows, share) };
    holes.extend(visit_holes(shuffled, 4));
    let staged = "                {
                    let row = row0 + ty + 8u * #u;
                    var v = vec4<f32>();
                    if (row < par.p && 8u * t + tx < par.kq) {
                        v = f[row * par.kq + 8u * t + tx];
                    }
                    rows[(ty + 8u * #u) * 8u + (tx ^ ty)] = v;
                }
";
    holes.extend([
        ("ROWS", rows.to_string()),
        ("ROW_TILE", (8 * rows).to_string()),
        ("DECLARE_SUMS", each(share, "            var c# = vec4<f32>();\n")),
        ("STAGE_ROWS", each(share, staged)),
        ("PRODUCT", product(share)),
        ("LOAD_RESIDUAL", each(8, &format!("                var r# = {OWN};\n"))),
        ("STEPS", steps()),
    ]);
    holes
}
