enable f16;
enable wgpu_cooperative_matrix;

@group(0) @binding(0) 
var<storage> arg0_: array<f16>;
@group(0) @binding(1) 
var<storage> arg1_: array<vec4<f16>>;
@group(0) @binding(2) 
var<storage, read_write> arg2_: array<f32>;

@compute @workgroup_size(32, 1, 1) 
fn mma() {
    var counter: i32;
    var carried: coop_mat16x16<f32,C>;

    carried = coop_mat16x16<f32,C>();
    counter = 0i;
    loop {
        let _e11 = counter;
        if (_e11 >= 64i) {
            break;
        }
        let _e13 = carried;
        let matrix = coopLoadT<coop_mat16x16<f16,A>>((&arg0_[_e11]), 64u);
        let matrix_1 = coopLoadT<coop_mat16x16<f16,B>>((&arg1_[(_e11 * 4i)]), 4u);
        carried = coopMultiplyAdd(matrix, matrix_1, _e13);
        counter = (_e11 + 16i);
    }
    let _e24 = carried;
    coopStoreT((_e24 * 2f), (&arg2_[0]), 16u);
}
