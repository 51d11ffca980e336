@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage, read_write> arg1_: array<f32>;

@compute @workgroup_size(64, 1, 1) 
fn k(@builtin(local_invocation_id) thread_id: vec3<u32>) {
    let _e4 = i32(thread_id.x);
    let _e15 = arg0_[(((_e4 * 32i) + 4i) + (_e4 * 2i))];
    let _e17 = arg0_[_e4];
    let _e22 = arg0_[((_e4 * 512i) + 32i)];
    let _e26 = arg0_[(35i + _e4)];
    arg1_[_e4] = ((_e15 + _e17) + (_e22 + _e26));
}
