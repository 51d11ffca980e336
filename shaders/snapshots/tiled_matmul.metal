// language: metal3.0
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size0;
    uint size1;
    uint size2;
};

typedef float type_1[1];
struct type_2 {
    float inner[256];
};

struct tiledInput {
};
[[max_total_threads_per_threadgroup(256)]] kernel void tiled(
  metal::uint3 thread_id [[thread_position_in_threadgroup]]
, metal::uint3 block_id [[threadgroup_position_in_grid]]
, device type_1 const& arg0_ [[buffer(0)]]
, device type_1 const& arg1_ [[buffer(1)]]
, device type_1& arg2_ [[buffer(2)]]
, threadgroup type_2& workgroup_memory
, threadgroup type_2& workgroup_memory_1
, constant _mslBufferSizes& _buffer_sizes [[buffer(4)]]
) {
    int counter = {};
    float carried = {};
    int counter_1 = {};
    float carried_1 = {};
    int _e12 = static_cast<int>(thread_id.x);
    int _e15 = static_cast<int>(thread_id.y);
    int _e24 = as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(static_cast<int>(block_id.y)) * as_type<uint>(16))) + as_type<uint>(_e15));
    int _e25 = as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(static_cast<int>(block_id.x)) * as_type<uint>(16))) + as_type<uint>(_e12));
    carried = 0.0;
    counter = 0;
    uint2 loop_bound = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound == uint2(0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        int _e28 = counter;
        if (_e28 >= 64) {
            break;
        }
        float _e30 = carried;
        float _e36 = arg0_[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e24) * as_type<uint>(64))) + as_type<uint>(as_type<int>(as_type<uint>(_e28) + as_type<uint>(_e12))))), (_buffer_sizes.size0 - 0 - 4) / 4)];
        float _e40 = arg1_[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e28) + as_type<uint>(_e15))) * as_type<uint>(64))) + as_type<uint>(_e25))), (_buffer_sizes.size1 - 0 - 4) / 4)];
        workgroup_memory.inner[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e15) * as_type<uint>(16))) + as_type<uint>(_e12))), 255u)] = _e36;
        workgroup_memory_1.inner[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e15) * as_type<uint>(16))) + as_type<uint>(_e12))), 255u)] = _e40;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        carried_1 = _e30;
        counter_1 = 0;
        uint2 loop_bound_1 = uint2(4294967295u);
        while(true) {
            if (metal::all(loop_bound_1 == uint2(0u))) { break; }
            loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
            int _e49 = counter_1;
            if (_e49 >= 16) {
                break;
            }
            float _e51 = carried_1;
            float _e55 = workgroup_memory.inner[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e15) * as_type<uint>(16))) + as_type<uint>(_e49))), 255u)];
            float _e59 = workgroup_memory_1.inner[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e49) * as_type<uint>(16))) + as_type<uint>(_e12))), 255u)];
            carried_1 = metal::fma(_e55, _e59, _e51);
            counter_1 = as_type<int>(as_type<uint>(_e49) + as_type<uint>(1));
        }
        float _e62 = carried_1;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        carried = _e62;
        counter = as_type<int>(as_type<uint>(_e28) + as_type<uint>(16));
    }
    float _e64 = carried;
    arg2_[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e24) * as_type<uint>(64))) + as_type<uint>(_e25))), (_buffer_sizes.size2 - 0 - 4) / 4)] = _e64;
}
