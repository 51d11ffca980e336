struct Immediates {
    arg3_: i32,
}

@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage> arg1_: array<f32>;
@group(0) @binding(2) 
var<storage, read_write> arg2_: array<f32>;
var<immediate> immediates: Immediates;

@compute @workgroup_size(64, 1, 1) 
fn add(@builtin(global_invocation_id) global_id: vec3<u32>) {
    let _e5 = i32(global_id.x);
    let _e8 = immediates.arg3_;
    if (_e5 < _e8) {
        let _e11 = arg0_[_e5];
        let _e13 = arg1_[_e5];
        arg2_[_e5] = (_e11 + _e13);
    }
}
