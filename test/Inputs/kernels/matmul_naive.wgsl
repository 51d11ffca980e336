// out = a b: one invocation per element, sizes in a uniform buffer.
struct Sizes { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    let column = id.x;
    if row >= sizes.m || column >= sizes.n { return; }
    var sum = 0.0;
    for (var i = 0u; i < sizes.k; i++) {
        sum += a[row * sizes.k + i] * b[i * sizes.n + column];
    }
    out[row * sizes.n + column] = sum;
}
