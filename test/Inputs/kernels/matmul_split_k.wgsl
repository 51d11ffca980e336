// out = a b in two launches: four parts of k summed apart, then added up.
struct Sizes { m: u32, n: u32, k: u32, elements: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(1) @binding(0) var<storage, read_write> out: array<f32>;
@group(1) @binding(5) var<uniform> sizes: Sizes;

@compute @workgroup_size(8, 8)
fn products(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.y >= sizes.m || id.x >= sizes.n { return; }
    let length = (sizes.k + 3u) / 4u;
    let first = id.z * length;
    let last = min(first + length, sizes.k);
    var sum = 0.0;
    for (var i = first; i < last; i++) {
        sum += a[id.y * sizes.k + i] * b[i * sizes.n + id.x];
    }
    parts[id.z * sizes.elements + id.y * sizes.n + id.x] = sum;
}

@compute @workgroup_size(64)
fn add_up(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= sizes.elements { return; }
    var sum = 0.0;
    for (var part = 0u; part < 4u; part++) {
        sum += parts[part * sizes.elements + id.x];
    }
    out[id.x] = sum;
}
