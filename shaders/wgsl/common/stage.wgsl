// Staging room of 4 to 8 KiB, shared in turn by the products of a kernel.
var<workgroup> stage: array<vec4<f32>, {STAGE_QUADS}>;
