// Softmax of rows, an invocation per row; the length of a row comes from arrayLength and the
// number of rows.
override ROWS: u32;

struct Matrix { values: array<f32> }

@group(0) @binding(0) var<storage, read> x: Matrix;
@group(0) @binding(1) var<storage, read_write> y: Matrix;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= ROWS { return; }
    let n = arrayLength(&x.values) / ROWS;
    let base = id.x * n;
    var largest = x.values[base];
    for (var i = 1u; i < n; i++) { largest = max(largest, x.values[base + i]); }
    var sum = 0.0;
    for (var i = 0u; i < n; i++) { sum += exp(x.values[base + i] - largest); }
    for (var i = 0u; i < n; i++) { y.values[base + i] = exp(x.values[base + i] - largest) / sum; }
}
