// Causal attention with grouped heads, an invocation per element of the result: scores are
// computed again by each, so that nothing but the sizes limits it.
struct Sizes { b: u32, h: u32, hkv: u32, sq: u32, sk: u32, d: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

fn score(query: u32, key: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < sizes.d; i++) { sum += q[query + i] * k[key + i]; }
    return sum * sizes.scale;
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= sizes.b * sizes.h * sizes.sq * sizes.d { return; }
    let element = id.x % sizes.d;
    let row = id.x / sizes.d % sizes.sq;
    let head = id.x / sizes.d / sizes.sq % sizes.h;
    let batch = id.x / sizes.d / sizes.sq / sizes.h;
    let shared_head = head * sizes.hkv / sizes.h;
    let query = id.x - element;
    let keys = (batch * sizes.hkv + shared_head) * sizes.sk * sizes.d;
    // Keys up to row + sk - sq; none where that is negative.
    let seen = u32(clamp(i32(row) + i32(sizes.sk) - i32(sizes.sq) + 1, 0, i32(sizes.sk)));
    var largest = -3.4028235e38;
    for (var j = 0u; j < seen; j++) { largest = max(largest, score(query, keys + j * sizes.d)); }
    var sum = 0.0;
    var value = 0.0;
    for (var j = 0u; j < seen; j++) {
        let weight = exp(score(query, keys + j * sizes.d) - largest);
        sum += weight;
        value += weight * v[keys + j * sizes.d + element];
    }
    out[id.x] = select(value / sum, 0.0, seen == 0u);
}
