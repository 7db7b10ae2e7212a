// Sparse X̃ by rows, gathered: CSR for the rows of X, CSC for its columns, so that neither half-step scatters and
// none needs atomics. The host has cut the rows into groups of about equal work, one for a workgroup of 64 threads:
//   a piece of a long row      (its sum is one of several, which segment_sum.wgsl adds),
//   a whole row, or
//   a run of up to 64 short rows with up to 64 entries together, some rows perhaps empty.
// The pieces come first, `chunks` of them; the biggest groups start first, so that none is left running at the end.
//
// Bindings: 1 index: for each row of the window its first entry, and the end of the last; from `ld` on the groups,
// (first row, rows, first entry, end) each; 2 column of each entry; 3 its value{WEIGHT_NOTE}.
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<{VALUE}>;
@group(0) @binding(5) var<storage, read> other: array<vec4<f32>>;

struct Group {
    row: u32,
    rows: u32,
    first: u32,
    end: u32,
}

var<workgroup> row_start: array<u32, 65>;

// Group s, with the first entry of each of its rows, and the end of the last, in row_start after the next barrier.
fn group_at(s: u32, tid: u32) -> Group {
    let at = par.ld + 4u * s;
    let found = Group(index[at], min(index[at + 1u], 64u), index[at + 2u], index[at + 3u]);
    // a piece starts where its row does not
    if (tid < found.rows) {
        row_start[tid] = select(index[found.row + tid], found.first, tid == 0u);
    }
    if (tid == 0u) {
        row_start[found.rows] = found.end;
    }
    return found;
}
