// RMS norm of rows, an invocation per row.
struct Parameters { rows: u32, n: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<immediate> parameters: Parameters;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= parameters.rows { return; }
    let n = parameters.n;
    let base = id.x * n;
    var sum = 0.0;
    for (var i = 0u; i < n; i++) { sum += x[base + i] * x[base + i]; }
    let scale = inverseSqrt(sum / f32(n) + parameters.epsilon);
    for (var i = 0u; i < n; i++) { y[base + i] = x[base + i] * scale * gamma[i]; }
}
