// Softmax of rows, a workgroup per row.
struct Sizes { n: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

var<workgroup> shared_values: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = sizes.n;
    let base = group.x * n;
    var largest = -3.4028235e38;
    for (var i = lane; i < n; i += 64u) { largest = max(largest, x[base + i]); }
    shared_values[lane] = largest;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half { shared_values[lane] = max(shared_values[lane], shared_values[lane + half]); }
        workgroupBarrier();
    }
    largest = shared_values[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var i = lane; i < n; i += 64u) { sum += exp(x[base + i] - largest); }
    shared_values[lane] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half { shared_values[lane] += shared_values[lane + half]; }
        workgroupBarrier();
    }
    sum = shared_values[0];
    for (var i = lane; i < n; i += 64u) { y[base + i] = exp(x[base + i] - largest) / sum; }
}
