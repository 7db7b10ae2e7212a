// The bandwidth ceiling: copied = given, or, with flags bit 0, numbers without a pattern in `copied` (memory full of zeros may be
// compressed on its way).
//
// Bindings: 1 given, 2 copied, `count` quads each. Grid: 256 quads per group, four to a thread, so that each thread has four
// reads under way.
@group(0) @binding(1) var<storage, read> given: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4<u32>>;

// A hash of 32 bits (the finalizer of MurmurHash3).
fn mixed(i: u32) -> u32 {
    var x = i;
    x = (x ^ (x >> 16u)) * 0x85ebca6bu;
    x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
    return x ^ (x >> 16u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let first = g * 256u + tid;
    if ((par.flags & 1u) != 0u) {
        for (var i = first; i < min(first + 256u, par.count); i += 64u) {
            copied[i] = vec4<u32>(mixed(4u * i), mixed(4u * i + 1u), mixed(4u * i + 2u), mixed(4u * i + 3u));
        }
        return;
    }
    if (first + 192u < par.count) {
        let a = given[first];
        let b = given[first + 64u];
        let c = given[first + 128u];
        let d = given[first + 192u];
        copied[first] = a;
        copied[first + 64u] = b;
        copied[first + 128u] = c;
        copied[first + 192u] = d;
        return;
    }
    for (var i = first; i < par.count; i += 64u) {
        copied[i] = given[i];
    }
}
