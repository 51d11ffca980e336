@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage> arg1_: array<f32>;
@group(0) @binding(2) 
var<storage, read_write> arg2_: array<f32>;

@compute @workgroup_size(8, 8, 1) 
fn matmul(@builtin(global_invocation_id) global_id: vec3<u32>) {
    var counter: i32;
    var carried: f32;

    let _e11 = i32(global_id.x);
    let _e14 = i32(global_id.y);
    if ((_e14 < 33i) & (_e11 < 29i)) {
        carried = 0f;
        counter = 0i;
        loop {
            let _e20 = counter;
            if (_e20 >= 17i) {
                break;
            }
            let _e22 = carried;
            let _e26 = arg0_[((_e14 * 17i) + _e20)];
            let _e30 = arg1_[((_e20 * 29i) + _e11)];
            carried = fma(_e26, _e30, _e22);
            counter = (_e20 + 1i);
        }
        let _e33 = carried;
        arg2_[((_e14 * 29i) + _e11)] = _e33;
    }
}
