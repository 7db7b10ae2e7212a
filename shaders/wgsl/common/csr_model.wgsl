// v = f_row·other_column at 64 stored entries at a time, in three steps with barriers between them: thread e looks up
// the row and the column of entry e; {LANES} lanes side by side read along each gathered row, so that a row of `other`
// arrives in whole cache lines and once; thread e adds what the lanes found.
//
// Bindings: 4 f.
@group(0) @binding(4) var<storage, read> f: array<vec4<f32>>;

const LANES: u32 = {LANES}u;

// First quad of the row of f and of other that meet in an entry; the latter for as many entries as are kept.
var<workgroup> entry_f: array<u32, 64>;
var<workgroup> entry_other: array<u32, {KEPT}>;
// One more than there are lanes, so that 64 threads reading side by side meet all banks.
var<workgroup> lane_sum: array<f32, {LANE_SUMS}>;

// Entries from `tile` on; beyond the end of the group its last one again, so that nobody has to ask. The group is not empty.
// They are the entries `kept` … of those that are kept.
fn look_up(s: Group, tile: u32, kept: u32, tid: u32) {
    let at = min(tile + tid, s.end - 1u);
    // the last row that starts no later than the entry: empty rows start where the next one does
    var row = 0u;
    for (var step = 32u; step > 0u; step = step / 2u) {
        if (row + step < s.rows && row_start[row + step] <= at) {
            row += step;
        }
    }
    entry_f[tid] = (par.p0 + s.row + row) * par.kq;
    entry_other[kept + tid] = columns[at] * par.kq;
}

fn model_entry(e: u32) -> f32 {
    var sum = 0.0;
    for (var lane = 0u; lane < LANES; lane += 1u) {
        sum += lane_sum[e * (LANES + 1u) + lane];
    }
    return sum;
}
