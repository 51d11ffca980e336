struct Immediates {
    arg0_size0_: i32,
    arg0_size1_: i32,
    arg1_: f32,
    arg2_size0_: i32,
    arg2_stride0_: i32,
    arg2_offset: i32,
}

@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage, read_write> arg2_: array<f32>;
var<immediate> immediates: Immediates;

@compute @workgroup_size(64, 1, 1) 
fn k(@builtin(local_invocation_id) thread_id: vec3<u32>) {
    let _e4 = i32(thread_id.x);
    let _e8 = immediates.arg0_size0_;
    let _e11 = immediates.arg0_size1_;
    let _e17 = immediates.arg1_;
    let _e20 = immediates.arg2_stride0_;
    let _e23 = immediates.arg2_offset;
    let _e9 = (_e8 - _e4);
    let _e15 = arg0_[((_e9 * _e11) + _e4)];
    arg2_[((_e23 + (_e9 * _e20)) + _e4)] = (_e15 * _e17);
}
