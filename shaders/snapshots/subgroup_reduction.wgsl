@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage, read_write> arg1_: array<f32>;

@compute @workgroup_size(64, 1, 1) 
fn k(@builtin(local_invocation_id) thread_id: vec3<u32>, @builtin(subgroup_invocation_id) lane_id: u32, @builtin(subgroup_id) subgroup_id: u32) {
    let _e11 = arg0_[i32(thread_id.x)];
    let _e12 = subgroupAdd(_e11);
    let _e13 = subgroupMax(_e11);
    if (i32(lane_id) == 0i) {
        arg1_[i32(subgroup_id)] = (_e12 + _e13);
    }
}
