// out = a b: four columns per invocation, sizes and workgroup as override constants.
override M: u32;
override N: u32;
override K: u32;
override WIDTH: u32 = 32;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let vectors = N / 4u;
    let row = id.y;
    if id.x >= vectors { return; }
    var sum = vec4<f32>();
    for (var i = 0u; i < K; i++) {
        sum += a[row * K + i] * b[i * vectors + id.x];
    }
    out[row * vectors + id.x] = sum;
}
