// One pass over sparse X for the multiplicative update: with v = f·other at the stored entries j of a row,
//   N = Σ x·v^(β−2)·other_j   and/or   D = Σ v^(β−1)·other_j (stored entries only)   and/or   Σ d(x, v).
//
// Bindings: 1–3, 5 as in csr.wgsl; 4 f; 6 N and 7 D, each acc ← α·result or (flags bit 0; bit 1: the first row of the
// window only, which began in the window before) acc + α·result; 8 in words: the sums N, then D, of the pieces of long
// rows, a row of kq quads each, and two partial sums per group: Σ d(x, v) from sum0 on, and from sum1 on Σ d(0, v),
// what the sum over all entries already holds for the stored ones. Variants bind only what they produce.
// Grid: groups. 64 entries at a time: v as in csr_model.wgsl, then thread e the ratios of entry e. In the second product
// lanes of quads side by side accumulate; the teams of such lanes share the rows of the group, or its one row.
//
// Reading the gathered rows is what this costs: 16·kq bytes of `other` for 8 bytes of X, from the second-level cache
// at best. So they should come from there once.
{GATHER_NOTE}
{BINDINGS}
@group(0) @binding(8) var<storage, read_write> part: array<f32>;

var<workgroup> entry_ratio: array<f32, {KEPT}>;
{DEN_MEMORY}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let width = {WIDTH};
    let teams = 64u / width;
    let team = tid / width;
    let group = group_at(g, tid);
{DECLARE}
    for (var tile = group.first; tile < group.end; tile += 64u) {
        let filled = min(group.end - tile, 64u);
        let kept = {KEPT_AT};
        workgroupBarrier();
        look_up(group, tile, kept, tid);
        // asked for early, so that it is there when v is
        let entry = values[min(tile + tid, group.end - 1u)];
        workgroupBarrier();
{MULTIPLY}
        workgroupBarrier();
        entry_ratio[kept + tid] = 0.0;
{CLEAR}
        if (tid < filled) {
            let x = entry{X};
            let raw = model_entry(tid);
            let v = model4(vec4<f32>(raw));
            entry_ratio[kept + tid] = negative4(vec4<f32>(x), v).x{ENTRY_TIMES};
{ENTRY}
        }
        workgroupBarrier();
{ACCUMULATE}
    }
{ONE_ROW}{
        // all entries of the group are kept
        let parts = parts_of(teams, group.rows);
        workgroupBarrier();
        for (var block = 0u; block < {BLOCKS}; block += 1u) {
            let quad = block * 64u + tid % width;
            for (var base = 0u; base < group.rows; base += teams / parts) {
                let row = base + team / parts;
                let mine = row < group.rows && quad < par.kq;
                var n = vec4<f32>();
{RESET}
                if (mine) {
                    let end = row_start[row + 1u] - group.first;
                    for (var j = row_start[row] - group.first + team % parts; j < end; j += parts) {
                        let o = other[entry_other[j] + quad];
                        n = fma(vec4<f32>(entry_ratio[j]), o, n);
{ADD}
                    }
                }
                if (parts > 1u) {
                    n = row_sum(tid, n, width, parts);
{PARTS_SUM}
                }
                if (mine && team % parts == 0u) {
{STORE_ROWS}
                }
            }
        }
    }
{SUMS}
}
