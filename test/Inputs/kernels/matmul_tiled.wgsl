// out = a b: tiles of 16x16 in workgroup memory, sizes as immediates.
struct Sizes { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
var<immediate> sizes: Sizes;

var<workgroup> tile_a: array<f32, 256>;
var<workgroup> tile_b: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = group.y * 16u + local.y;
    let column = group.x * 16u + local.x;
    let place = local.y * 16u + local.x;
    var sum = 0.0;
    for (var start = 0u; start < sizes.k; start += 16u) {
        let i = start + local.x;
        let j = start + local.y;
        var left = 0.0;
        if row < sizes.m && i < sizes.k { left = a[row * sizes.k + i]; }
        var right = 0.0;
        if j < sizes.k && column < sizes.n { right = b[j * sizes.n + column]; }
        tile_a[place] = left;
        tile_b[place] = right;
        workgroupBarrier();
        for (var t = 0u; t < 16u; t++) {
            sum += tile_a[local.y * 16u + t] * tile_b[t * 16u + local.x];
        }
        workgroupBarrier();
    }
    if row < sizes.m && column < sizes.n { out[row * sizes.n + column] = sum; }
}
