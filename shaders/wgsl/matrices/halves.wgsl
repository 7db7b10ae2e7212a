// Tiles as pairs of halves: x·s = hi + lo/2048, with a power of two s for the whole tile that brings its largest number
// between 2^14 and 2^15. A pair loses at most 2^-21 of a number, or 2^-49 of the largest where the number is below 2^-28 of that.
// lo·lo is left out of products: it is below 2^-22 of them.
// (Ootomo & Yokota, Recovering single precision accuracy from Tensor Cores, 2022)
var<workgroup> a_hi: array<f16, 1280>;
var<workgroup> a_lo: array<f16, 1280>;
var<workgroup> b_hi: array<f16, 1280>;
var<workgroup> b_lo: array<f16, 1280>;
// The largest numbers that each team met, by their bits: of a, then of b.
var<workgroup> tops: array<u32, 16>;

// What is no number does not count: it stays what it is whatever it is multiplied with.
fn top4(v: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    let m = select(vec4<u32>(), bits, bits < vec4<u32>(0x7f800000u));
    return max(max(m.x, m.y), max(m.z, m.w));
}

fn top(t: Tile) -> u32 {
    return max(max(top4(t.a), top4(t.b)), max(top4(t.c), top4(t.d)));
}

// The exponent of the largest number of a tile, but so that the scale and its inverse are normal numbers.
fn exponent(first: u32) -> u32 {
    var m = 0u;
    for (var i = 0u; i < {TEAMS}u; i += 1u) {
        m = max(m, tops[first + i]);
    }
    return max(m >> 23u, 15u);
}

fn scale(e: u32) -> f32 {
    return bitcast<f32>((268u - e) << 23u);
}

fn inverse(e: u32) -> f32 {
    return bitcast<f32>((e - 14u) << 23u);
}

// The nearest numbers that halves can hold, found without them: a compiler may take a number turned into a half and back
// for the number itself.
fn upper(v: vec4<f32>) -> vec4<f32> {
    let near = bitcast<vec4<f32>>((bitcast<vec4<u32>>(v) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
    // below 2^-14 halves are multiples of 2^-24
    let small = round(v * 16777216.0) * 5.9604644775390625e-8;
    return select(near, small, abs(v) < vec4<f32>(6.103515625e-5));
}

// What is left of v beside its upper part, times 2048. No positive number becomes zero, which multiplicative updates would keep for ever.
fn lower(v: vec4<f32>, top: vec4<f32>) -> vec4<f32> {
    let tiny = (v > vec4<f32>()) & (v < vec4<f32>(2.910383045673370361328125e-11));
    return select((v - top) * 2048.0, max((v - top) * 2048.0, vec4<f32>(5.9604644775390625e-8)), tiny);
}

fn put_a(v: vec4<f32>, at: u32) {
    let top = upper(v);
    let hi = vec4<f16>(top);
    let lo = vec4<f16>(lower(v, top));
    a_hi[at] = hi.x;
    a_hi[at + 1u] = hi.y;
    a_hi[at + 2u] = hi.z;
    a_hi[at + 3u] = hi.w;
    a_lo[at] = lo.x;
    a_lo[at + 1u] = lo.y;
    a_lo[at + 2u] = lo.z;
    a_lo[at + 3u] = lo.w;
}

fn put_b(v: vec4<f32>, at: u32) {
    let top = upper(v);
    let hi = vec4<f16>(top);
    let lo = vec4<f16>(lower(v, top));
    b_hi[at] = hi.x;
    b_hi[at + 1u] = hi.y;
    b_hi[at + 2u] = hi.z;
    b_hi[at + 3u] = hi.w;
    b_lo[at] = lo.x;
    b_lo[at + 1u] = lo.y;
    b_lo[at + 2u] = lo.z;
    b_lo[at + 3u] = lo.w;
}

// Both tiles to where the teams find them. What products of each are to be multiplied with.
fn stage_both(a: Tile, b: Tile, me: Place) -> vec2<f32> {
    let top_a = subgroupMax(top(a));
    let top_b = subgroupMax(top(b));
    if (me.lane == 0u) {
        tops[me.team] = top_a;
        tops[8u + me.team] = top_b;
    }
    // also: the products before are done
    workgroupBarrier();
    let e = vec2<u32>(exponent(0u), exponent(8u));
    let at = me.ty * 160u + 4u * me.tx;
    let sa = scale(e.x);
    put_a(sa * a.a, at);
    put_a(sa * a.b, at + 40u);
    put_a(sa * a.c, at + 80u);
    put_a(sa * a.d, at + 120u);
    let sb = scale(e.y);
    put_b(sb * b.a, at);
    put_b(sb * b.b, at + 40u);
    put_b(sb * b.c, at + 80u);
    put_b(sb * b.d, at + 120u);
    workgroupBarrier();
    return vec2<f32>(inverse(e.x), inverse(e.y));
}

// The same for b alone.
fn stage_b(b: Tile, me: Place) -> f32 {
    let top_b = subgroupMax(top(b));
    if (me.lane == 0u) {
        tops[8u + me.team] = top_b;
    }
    workgroupBarrier();
    let e = exponent(8u);
    let at = me.ty * 160u + 4u * me.tx;
    let sb = scale(e);
    put_b(sb * b.a, at);
    put_b(sb * b.b, at + 40u);
    put_b(sb * b.c, at + 80u);
    put_b(sb * b.d, at + 120u);
    workgroupBarrier();
    return inverse(e);
}
