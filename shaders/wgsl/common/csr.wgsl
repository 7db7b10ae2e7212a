// Sparse X̃ by rows, gathered: CSR for the rows of X, CSC for its columns, so that neither half-step scatters and
// none needs atomics. Rows are cut into segments of bounded length; a workgroup of 64 threads takes one segment.
//
// Bindings: 1 segments (row in the window, first entry, end, 0); 2 column of each entry; 3 its value{WEIGHT_NOTE}.
@group(0) @binding(1) var<storage, read> segments: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<{VALUE}>;
@group(0) @binding(5) var<storage, read> other: array<vec4<f32>>;
