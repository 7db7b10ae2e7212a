//! From files to kernels: concatenation, and named holes `{LIKE_THIS}` filled with a few lines.

mod batch;
mod ceiling;
mod double;
mod hals_blocks;
mod lanes;
mod matrices;
mod rows;
mod sparse;
mod tiles;

use crate::{Gather, Hals, Kernel, Ladder, Lanes, LossKind, Reads, Term};
use rows::{hals_holes, newton_holes, strip_holes};
use sparse::{cross_csr_holes, divergence_csr_holes, entry_holes, mu_csr_holes, segment_sum_holes};

macro_rules! wgsl {
    ($path:literal) => {
        include_str!(concat!("../wgsl/", $path))
    };
}

const PARAMS: &str = wgsl!("common/params.wgsl");
const TILE: &str = wgsl!("common/tile.wgsl");
const STAGE: &str = wgsl!("common/stage.wgsl");
const X_ROWS: &str = wgsl!("common/x_rows.wgsl");
const X_COLS: &str = wgsl!("common/x_cols.wgsl");
const X_F32: &str = wgsl!("common/x_f32.wgsl");
const X_F16: &str = wgsl!("common/x_f16.wgsl");
const X_TEXTURE: &str = wgsl!("common/x_texture.wgsl");
const X_WORDS: &str = wgsl!("common/x_words.wgsl");
const QUAD_WORDS: &str = wgsl!("common/quad_words.wgsl");
const X_NONE: &str = wgsl!("common/x_none.wgsl");
const MODEL_ROWS: &str = wgsl!("common/model_rows.wgsl");
const MODEL_TILE: &str = wgsl!("common/model_tile.wgsl");
const MODEL_TALL: &str = wgsl!("common/model_tall.wgsl");
const TILE_SUM: &str = wgsl!("common/tile_sum.wgsl");
const LONG_SUM: &str = wgsl!("common/long_sum.wgsl");
// holes themselves: the ladder says what fills them
const NUMERIC: &str = "{NUMERIC}";
const GROUP_SUM: &str = "{GROUP_SUM}";
const PARTS_SUM: &str = "{PARTS_SUM}";
const EXACT: &str = "{EXACT}";
const CSR: &str = wgsl!("common/csr.wgsl");
const CSR_MODEL: &str = wgsl!("common/csr_model.wgsl");
const CSR_LANES: &str = wgsl!("common/csr_lanes.wgsl");
const CSR_SUM: &str = wgsl!("common/csr_sum.wgsl");

/// What a precision has files of its own for: see [`double`].
const SINGLE: [&str; 4] = [
    wgsl!("common/numeric.wgsl"),
    wgsl!("common/exact.wgsl"),
    wgsl!("momentum/accumulate.wgsl"),
    wgsl!("momentum/state_numbers.wgsl"),
];
const DOUBLE: [&str; 4] = [
    wgsl!("common/numeric_f64.wgsl"),
    wgsl!("common/exact_f64.wgsl"),
    wgsl!("momentum/accumulate_f64.wgsl"),
    wgsl!("momentum/state_numbers_f64.wgsl"),
];

/// The text of a kernel, for one run or for a batch of them.
pub(crate) fn source(kernel: &Kernel, ladder: Ladder, batched: bool) -> String {
    let (group_sum, parts_sum, lane, broadcasts) = if ladder.subgroups {
        (
            wgsl!("common/group_sum_subgroups.wgsl"),
            wgsl!("common/parts_sum_subgroups.wgsl"),
            ", @builtin(subgroup_invocation_id) lane: u32",
            BROADCASTS,
        )
    } else {
        (wgsl!("common/group_sum.wgsl"), wgsl!("common/parts_sum.wgsl"), "", "")
    };
    let mut holes = vec![("GROUP_SUM", group_sum.into()), ("PARTS_SUM", parts_sum.into())];
    let [numeric, exact, accumulate, numbers] = if ladder.double { DOUBLE } else { SINGLE };
    let by_precision =
        [("NUMERIC", numeric), ("EXACT", exact), ("ACCUMULATE_EXACTLY", accumulate), ("STATE_NUMBERS", numbers)];
    holes.extend(by_precision.map(|(name, text)| (name, text.into())));
    if *kernel == Kernel::SelfTest {
        holes.extend([("LANE", lane.into()), ("BROADCASTS", broadcasts.into())]);
    }
    let (fields, memory, place, other) = if batched {
        (batch::fields(), batch::MEMORY, batch::PLACE, batch::OTHER)
    } else {
        (String::new(), "", "", "")
    };
    let whole = fill(&[&text(kernel)], &holes);
    let whole = if ladder.double { double::widened(&whole) } else { whole };
    // what finds the run is not moved by it
    let whole = if batched { batch::moved(&whole, ladder.double) } else { whole };
    let rest = [("RUN_MEMORY", memory), ("RUN_PLACE", place), ("RUN_OTHER", other)].map(|(name, s)| (name, s.into()));
    fill(&[&whole], &[vec![("RUN_FIELDS", fields)], rest.into()].concat())
}

/// Each lane's number, made in branches of different lengths, from lanes 0 to 7 to all, and the least of them: what [`crate::Lanes::broadcast`] relies on.
const BROADCASTS: &str = "    var mine = 0u;
    if ((tid & 1u) == 0u) {
        for (var i = 0u; i < lane; i += 1u) {
            mine += 1u;
        }
    } else {
        mine = lane;
    }
    if (subgroupAdd(1u) >= 8u) {
        wrong += f32(subgroupBroadcast(mine, 0u) != 0u) + f32(subgroupBroadcast(mine, 1u) != 1u);
        wrong += f32(subgroupBroadcast(mine, 2u) != 2u) + f32(subgroupBroadcast(mine, 3u) != 3u);
        wrong += f32(subgroupBroadcast(mine, 4u) != 4u) + f32(subgroupBroadcast(mine, 5u) != 5u);
        wrong += f32(subgroupBroadcast(mine, 6u) != 6u) + f32(subgroupBroadcast(mine, 7u) != 7u);
        wrong += f32(subgroupMin(mine + 3u) != 3u);
    }
";

fn text(kernel: &Kernel) -> String {
    match *kernel {
        Kernel::CrossDense { cols, blocks, tall, half } => {
            let holes = tiles::cross_holes(blocks, tall);
            fill(&[PARAMS, TILE, STAGE, x_quads(true, half), x_text(true, cols), wgsl!("cross_dense.wgsl")], &holes)
        }
        Kernel::CrossLanes(lanes) => {
            let what = lanes::Products { model: false, den: false, div: false };
            let words = if lanes.reads == Reads::Words { QUAD_WORDS } else { "" };
            fill(&[PARAMS, words, x_of(lanes), wgsl!("lanes.wgsl")], &lanes::holes(lanes, what))
        }
        Kernel::MuLanes { loss, lanes, den, div } => {
            let parts = [PARAMS, NUMERIC, loss_text(loss), x_of(lanes), LONG_SUM, GROUP_SUM, wgsl!("lanes.wgsl")];
            fill(&parts, &lanes::holes(lanes, lanes::Products { model: true, den, div }))
        }
        Kernel::Matrices(pass) => matrices::text(pass),
        Kernel::MuDense { loss, cols, blocks, tall, num, den, div, half } => {
            let mut parts = vec![
                PARAMS,
                NUMERIC,
                loss_text(loss),
                TILE,
                STAGE,
                x_quads(num, half),
                x_text(num, cols),
                MODEL_ROWS,
                if tall { MODEL_TALL } else { MODEL_TILE },
            ];
            parts.extend(if div { [LONG_SUM, GROUP_SUM, TILE_SUM].as_slice() } else { &[] });
            parts.push(wgsl!("mu_dense.wgsl"));
            fill(&parts, &tiles::mu_holes(tiles::Products { blocks, tall, model: true, num, den, div }))
        }
        Kernel::DivergenceDense { loss, stored, half } => {
            let parts = [
                PARAMS,
                NUMERIC,
                loss_text(loss),
                TILE,
                STAGE,
                x_quads(stored, half),
                x_text(stored, false),
                MODEL_ROWS,
                MODEL_TILE,
                LONG_SUM,
                GROUP_SUM,
                TILE_SUM,
                wgsl!("divergence_dense.wgsl"),
            ];
            fill(&parts, &vec![("STAGE_QUADS", "256".into())])
        }
        Kernel::CrossCsr { weighted } => {
            fill(&[PARAMS, CSR, CSR_SUM, wgsl!("cross_csr.wgsl")], &cross_csr_holes(weighted))
        }
        Kernel::MuCsr { loss, weighted, gather, den, div } => {
            let mut parts = vec![PARAMS, NUMERIC, loss_text(loss), CSR, CSR_MODEL, CSR_SUM];
            parts.extend(if matches!(gather, Gather::Held(_)) { None } else { Some(CSR_LANES) });
            parts.extend(if div { Some(GROUP_SUM) } else { None });
            parts.push(wgsl!("mu_csr.wgsl"));
            fill(&parts, &mu_csr_holes(weighted, gather, den, div))
        }
        Kernel::DivergenceCsr { loss, weighted } => {
            let parts = [PARAMS, NUMERIC, loss_text(loss), CSR, CSR_MODEL, CSR_LANES, GROUP_SUM];
            fill(&[parts.as_slice(), &[wgsl!("divergence_csr.wgsl")]].concat(), &divergence_csr_holes(weighted))
        }
        Kernel::SelfTest => [PARAMS, GROUP_SUM, PARTS_SUM, wgsl!("self_test.wgsl")].concat(),
        Kernel::SegmentSum { den } => fill(&[PARAMS, wgsl!("segment_sum.wgsl")], &segment_sum_holes(den)),
        Kernel::Reduce => [PARAMS, PARTS_SUM, wgsl!("reduce.wgsl")].concat(),
        Kernel::Spread => [PARAMS, wgsl!("spread.wgsl")].concat(),
        Kernel::Colsum => [PARAMS, PARTS_SUM, wgsl!("colsum.wgsl")].concat(),
        Kernel::Apply(power) => fill(&[PARAMS, NUMERIC, wgsl!("apply.wgsl")], &rows::apply_holes(power)),
        Kernel::Newton { over, shuffled } => {
            fill(&[PARAMS, NUMERIC, wgsl!("newton.wgsl")], &newton_holes(over, shuffled))
        }
        Kernel::Strip { cols, half } => fill(&[PARAMS, x_quads(true, half), wgsl!("strip.wgsl")], &strip_holes(cols)),
        Kernel::GradientStep => [PARAMS, wgsl!("gradient_step.wgsl")].concat(),
        Kernel::Accumulate => [PARAMS, EXACT, "{ACCUMULATE_EXACTLY}"].concat(),
        Kernel::Advance => [PARAMS, NUMERIC, EXACT, wgsl!("momentum/advance.wgsl")].concat(),
        Kernel::Extrapolate { of_state } => {
            fill(&[PARAMS, wgsl!("momentum/extrapolate.wgsl")], &extrapolate_holes(of_state))
        }
        Kernel::Unfold => [PARAMS, wgsl!("shifts/unfold.wgsl")].concat(),
        Kernel::Fold => [PARAMS, wgsl!("shifts/fold.wgsl")].concat(),
        Kernel::HalsSweep { rows: Hals::Own(quads), shuffled } => {
            fill(&[PARAMS, wgsl!("hals_sweep.wgsl")], &hals_holes(quads, shuffled))
        }
        Kernel::HalsSweep { rows: Hals::Blocks(rows), shuffled } => {
            fill(&[PARAMS, wgsl!("hals_blocks.wgsl")], &hals_blocks::holes(rows, shuffled))
        }
        Kernel::Refill => [PARAMS, NUMERIC, wgsl!("refill.wgsl")].concat(),
        Kernel::Scalar(term) => {
            let text = match term {
                Term::Penalty => wgsl!("scalar/penalty.wgsl"),
                Term::Product => wgsl!("scalar/product.wgsl"),
                Term::Quadratic => wgsl!("scalar/quadratic.wgsl"),
                Term::Kkt => wgsl!("scalar/kkt.wgsl"),
            };
            [PARAMS, LONG_SUM, GROUP_SUM, wgsl!("scalar/main.wgsl"), text].concat()
        }
        Kernel::Fma { chains } => fill(&[PARAMS, wgsl!("ceiling/fma.wgsl")], &ceiling::fma_holes(chains)),
        Kernel::Copy => [PARAMS, wgsl!("ceiling/copy.wgsl")].concat(),
        Kernel::Sum => [PARAMS, LONG_SUM, GROUP_SUM, wgsl!("scalar/sum.wgsl")].concat(),
    }
}

fn loss_text(loss: LossKind) -> &'static str {
    match loss {
        LossKind::Fro => wgsl!("loss/fro.wgsl"),
        LossKind::Kl => wgsl!("loss/kl.wgsl"),
        LossKind::Is => wgsl!("loss/is.wgsl"),
        LossKind::Beta => wgsl!("loss/beta.wgsl"),
    }
}

fn x_of(lanes: Lanes) -> &'static str {
    match lanes.reads {
        Reads::Quads => x_quads(true, lanes.half),
        Reads::Words => X_WORDS,
        Reads::Texture => X_TEXTURE,
    }
}

/// How a quad of X is read.
fn x_quads(stored: bool, half: bool) -> &'static str {
    match (stored, half) {
        (false, _) => "",
        (true, false) => X_F32,
        (true, true) => X_F16,
    }
}

fn x_text(stored: bool, cols: bool) -> &'static str {
    match (stored, cols) {
        (false, _) => X_NONE,
        (true, false) => X_ROWS,
        (true, true) => X_COLS,
    }
}

type Holes = Vec<(&'static str, String)>;

fn fill(parts: &[&str], holes: &Holes) -> String {
    holes.iter().fold(parts.concat(), |text, (name, lines)| text.replace(&format!("{{{name}}}"), lines))
}

fn output(number: u32, name: &str) -> String {
    format!("@group(0) @binding({number}) var<storage, read_write> {name}: array<vec4<f32>>;\n")
}

/// The weight is a parameter, or the second number in the state of a momentum.
fn extrapolate_holes(of_state: bool) -> Holes {
    let (weight, note, binding) = if of_state {
        let binding = "@group(0) @binding(3) var<storage, read> state: array<f32>;\n";
        ("state[1]", "; 3 the state of a momentum, whose second number is β", binding)
    } else {
        ("par.alpha", "; β is the parameter α", "")
    };
    vec![("WEIGHT", weight.into()), ("WEIGHT_NOTE", note.into()), ("WEIGHT_BINDING", binding.into())]
}
