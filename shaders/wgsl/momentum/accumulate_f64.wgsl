// sum ← sum + α·Σ number_i + constant, exactly, α a power of two or minus one: `count` f64 numbers from sum0 on, at
// most 32767 of them; the constant comes in `beta`.
//
// Bindings: 1 the numbers, as bits, lower words first; 2 the state of a momentum, see exact_f64.wgsl.
// Grid: one workgroup. Its threads add 16-bit pieces of the numbers to limbs in workgroup memory (atomics on integers
// give the same sum in any order); the carries come last.
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<i32>;

var<workgroup> limbs: array<atomic<i32>, LIMBS>;
var<workgroup> special: atomic<i32>;

// Adds the number with these bits times the power of two (with its sign) that has the upper bits `by`.
fn add(low: u32, high: u32, by: u32) {
    let negative = ((high ^ by) >> 31u) != 0u;
    let exponent = (high >> 20u) & 0x7ffu;
    var top = high & 0xfffffu;
    if (exponent == 2047u) {
        let infinity = select(2, 4, negative);
        atomicOr(&special, select(infinity, 1, (top | low) != 0u));
        return;
    }
    if (exponent > 0u) {
        top |= 0x100000u;
    }
    // the last bit of the mantissa is worth 2^(exponent − 1075)·2^(exponent of by − 1023) = 2^(at − 1200)
    let at = max(exponent, 1u) + clamp((by >> 20u) & 0x7ffu, 897u, 1150u) - 898u;
    let limb = at / 16u;
    let shift = at % 16u;
    let sign = select(1, -1, negative);
    // 16-bit pieces of the mantissa, and what the shift moves from each into the next limb
    var pieces = array<u32, 4>(low & 0xffffu, low >> 16u, top & 0xffffu, top >> 16u);
    var carried = 0u;
    for (var i = 0u; i < 4u; i += 1u) {
        let moved = pieces[i] << shift;
        atomicAdd(&limbs[limb + i], sign * i32((moved & 0xffffu) | carried));
        carried = moved >> 16u;
    }
    atomicAdd(&limbs[limb + 4u], sign * i32(carried));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    for (var i = tid; i < LIMBS; i += 64u) {
        atomicStore(&limbs[i], 0);
    }
    if (tid == 0u) {
        atomicStore(&special, 0);
    }
    workgroupBarrier();
    let by = u32(bitcast<u64>(par.alpha) >> 32u);
    for (var i = tid; i < par.count; i += 64u) {
        let at = 2u * (par.sum0 + i);
        add(numbers[at], numbers[at + 1u], by);
    }
    if (tid == 0u) {
        let constant = bitcast<u64>(par.beta);
        add(u32(constant & 0xfffffffflu), u32(constant >> 32u), 0x3ff00000u);
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
