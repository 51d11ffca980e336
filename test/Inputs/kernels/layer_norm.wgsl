// Layer norm of rows, a workgroup per row; epsilon is passed beside the sizes.
struct Parameters { n: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> parameters: Parameters;

var<workgroup> sums: array<f32, 64>;

fn add_up(lane: u32, value: f32) -> f32 {
    sums[lane] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    let total = sums[0];
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = parameters.n;
    let base = group.x * n;
    var part = 0.0;
    for (var i = lane; i < n; i += 64u) { part += x[base + i]; }
    let mean = add_up(lane, part) / f32(n);
    part = 0.0;
    for (var i = lane; i < n; i += 64u) {
        let d = x[base + i] - mean;
        part += d * d;
    }
    let variance = add_up(lane, part) / f32(n);
    let scale = inverseSqrt(variance + parameters.epsilon);
    for (var i = lane; i < n; i += 64u) {
        y[base + i] = (x[base + i] - mean) * scale * gamma[i] + beta[i];
    }
}
