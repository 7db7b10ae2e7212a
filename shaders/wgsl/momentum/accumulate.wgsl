// sum ← sum + α·Σ number_i + constant, exactly, α a power of two or minus one: `count` f32 numbers from sum0 on, at
// most 32767 of them; the constant comes in `beta`.
//
// Bindings: 1 the numbers, as bits; 2 the state of a momentum, see exact.wgsl.
// Grid: one workgroup. Its threads add 16-bit pieces of the numbers to limbs in workgroup memory (atomics on integers
// give the same sum in any order); the carries come last.
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<i32>;

var<workgroup> limbs: array<atomic<i32>, LIMBS>;
var<workgroup> special: atomic<i32>;

// Adds the number with these bits times the power of two (with its sign) that has the bits `by`.
fn add(bits: u32, by: u32) {
    let negative = ((bits ^ by) >> 31u) != 0u;
    let exponent = (bits >> 23u) & 0xffu;
    var mantissa = bits & 0x7fffffu;
    if (exponent == 255u) {
        let infinity = select(2, 4, negative);
        atomicOr(&special, select(infinity, 1, mantissa != 0u));
        return;
    }
    if (exponent > 0u) {
        mantissa |= 0x800000u;
    }
    // the last bit of the mantissa is worth 2^(exponent − 150)·2^(exponent of by − 127) = 2^(at − 288)
    let at = max(exponent, 1u) + ((by >> 23u) & 0xffu) + 11u;
    let limb = at / 16u;
    let shift = at % 16u;
    let sign = select(1, -1, negative);
    atomicAdd(&limbs[limb], sign * i32((mantissa << shift) & 0xffffu));
    atomicAdd(&limbs[limb + 1u], sign * i32((mantissa >> (16u - shift)) & 0xffffu));
    atomicAdd(&limbs[limb + 2u], sign * i32((mantissa >> 16u) >> (16u - shift)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    if (tid < LIMBS) {
        atomicStore(&limbs[tid], 0);
    }
    if (tid == 0u) {
        atomicStore(&special, 0);
    }
    workgroupBarrier();
    for (var i = tid; i < par.count; i += 64u) {
        add(numbers[par.sum0 + i], bitcast<u32>(par.alpha));
    }
    if (tid == 0u) {
        add(bitcast<u32>(par.beta), 0x3f800000u);
    }
    workgroupBarrier();
    if (tid == 0u) {
        state[NOW_SPECIAL] |= atomicLoad(&special);
        var carry = 0;
        for (var i = 0u; i < LIMBS; i += 1u) {
            let v = state[NOW + i] + atomicLoad(&limbs[i]) + carry;
            if (i + 1u < LIMBS) {
                state[NOW + i] = v & 0xffff;
                carry = v >> 16u;
            } else {
                state[NOW + i] = v;
            }
        }
    }
}
