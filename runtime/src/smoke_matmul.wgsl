// c[64,64] = a[64,128] * b[128,64], one invocation per element.
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(8, 8)
fn smoke_matmul(@builtin(global_invocation_id) id: vec3<u32>) {
    var sum = 0.0;
    for (var k = 0u; k < 128u; k++) {
        sum += a[id.x * 128u + k] * b[k * 64u + id.y];
    }
    c[id.x * 64u + id.y] = sum;
}
