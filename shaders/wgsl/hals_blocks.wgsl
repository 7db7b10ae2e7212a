// Hierarchical alternating least squares for rows of f of any length, given A = X̃·other and G = otherᵀother: passes over
// the columns q = fixed … k−1{VISIT_NOTE} of
//   f_q ← max(0, f_q + (A_q − f·G_q − l1 − l2·f_q) / (G_qq + l2)),   skipped where G_qq + l2 ≤ 0;
// a row stops once a pass moves it by no more than `stop` times its first pass. (Cichocki & Phan 2009; repeated
// passes: Gillis & Glineur 2012.)
// 32 columns B at a time: r = A_B − f·G_B − l1 is a product of tiles for all rows of the workgroup; then each row goes
// through the columns of B, and each step d of a column takes d·G_qB from r. So every column finds the r_q that all steps
// before it have left, as the formula wants.
//
// Bindings: 1 A, p × kq quads; 2 G, 4·kq rows of kq quads, symmetric; 3 f, p × kq quads{ORDER_NOTE}.
// Grid: {ROWS} rows per workgroup. In the product thread (tx, ty) has quad tx of the rows ty + 8·i; among the columns
// of a block thread t has row t, in registers. A row that has stopped, or is none, goes along unchanged.
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gram: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> f: array<vec4<f32>>;
{ORDER}
// Quad t of row r lies at 8·r + (t ^ (r & 7)), so that neither rows side by side nor quads side by side share a bank.
var<workgroup> rows: array<vec4<f32>, {ROW_TILE}>;
var<workgroup> block: array<vec4<f32>, 256>;
// 1 / (G_qq + l2); 0 for a column that must not change
var<workgroup> inverse: array<f32, 32>;
// whether a row of the workgroup goes on
var<workgroup> moving: atomic<u32>;
var<workgroup> again: u32;
{COLUMNS}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let row0 = g * {ROWS}u;
    let tx = tid % 8u;
    let ty = tid / 8u;
    let tiles = (par.kq + 7u) / 8u;
    var going = tid < {ROWS}u && row0 + tid < par.p;
    var first = 0.0;
    for (var sweep = 0u; sweep < par.count; sweep += 1u) {
        if (tid == 0u) {
            atomicStore(&moving, 0u);
        }
        var moved = 0.0;
        for (var b = {FIRST_BLOCK}; 32u * b < {END}; b += 1u) {
            if (tid < 32u) {
{PLACE}
                var curvature = 0.0;
                if (free) {
                    curvature = gram[q * par.kq + q / 4u][q & 3u] + par.l2;
                }
                var scale = 0.0;
                if (curvature > 0.0) {
                    scale = 1.0 / curvature;
                }
                inverse[tid] = scale;
            }
            // f·G_B, each tile summed on its own
{DECLARE_SUMS}
            for (var i = 0u; i < tiles; i += 1u) {
{TILE_NUMBER}
                workgroupBarrier();
{STAGE_ROWS}
{STAGE_GRAM}
                workgroupBarrier();
                let depth = min(8u, par.kq - 8u * t);
{PRODUCT}
            }
{TAKE_ROW}
            workgroupBarrier();
{STAGE_RESIDUAL}
            workgroupBarrier();
            if (going) {
{LOAD_RESIDUAL}
{STEPS}
            }
{STORE}
        }
        if (going) {
            if (sweep == 0u) {
                first = moved;
            }
            going = !(moved <= par.stop * par.stop * first);
        }
        // all rows leave together, once the last has stopped
        if (going) {
            atomicOr(&moving, 1u);
        }
        workgroupBarrier();
        if (tid == 0u) {
            again = atomicLoad(&moving);
        }
        if (workgroupUniformLoad(&again) == 0u) {
            break;
        }
    }
}
