@group(0) @binding(0) 
var<storage> arg0_: array<f32>;
@group(0) @binding(1) 
var<storage> arg1_: array<f32>;
@group(0) @binding(2) 
var<storage, read_write> arg2_: array<f32>;
var<workgroup> workgroup_memory: array<f32, 256>;
var<workgroup> workgroup_memory_1: array<f32, 256>;

@compute @workgroup_size(16, 16, 1) 
fn tiled(@builtin(local_invocation_id) thread_id: vec3<u32>, @builtin(workgroup_id) block_id: vec3<u32>) {
    var counter: i32;
    var carried: f32;
    var counter_1: i32;
    var carried_1: f32;

    let _e12 = i32(thread_id.x);
    let _e15 = i32(thread_id.y);
    let _e24 = ((i32(block_id.y) * 16i) + _e15);
    let _e25 = ((i32(block_id.x) * 16i) + _e12);
    carried = 0f;
    counter = 0i;
    loop {
        let _e28 = counter;
        if (_e28 >= 64i) {
            break;
        }
        let _e30 = carried;
        let _e36 = arg0_[((_e24 * 64i) + (_e28 + _e12))];
        let _e40 = arg1_[(((_e28 + _e15) * 64i) + _e25)];
        workgroup_memory[((_e15 * 16i) + _e12)] = _e36;
        workgroup_memory_1[((_e15 * 16i) + _e12)] = _e40;
        workgroupBarrier();
        carried_1 = _e30;
        counter_1 = 0i;
        loop {
            let _e49 = counter_1;
            if (_e49 >= 16i) {
                break;
            }
            let _e51 = carried_1;
            let _e55 = workgroup_memory[((_e15 * 16i) + _e49)];
            let _e59 = workgroup_memory_1[((_e49 * 16i) + _e12)];
            carried_1 = fma(_e55, _e59, _e51);
            counter_1 = (_e49 + 1i);
        }
        let _e62 = carried_1;
        workgroupBarrier();
        carried = _e62;
        counter = (_e28 + 16i);
    }
    let _e64 = carried;
    arg2_[((_e24 * 64i) + _e25)] = _e64;
}
