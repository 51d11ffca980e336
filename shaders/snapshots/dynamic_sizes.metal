// language: metal3.0
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size0;
    uint size1;
};

typedef float type_1[1];
struct Immediates {
    int arg0_size0_;
    int arg0_size1_;
    float arg1_;
    int arg2_size0_;
    int arg2_stride0_;
    int arg2_offset;
};

struct kInput {
};
[[max_total_threads_per_threadgroup(64)]] kernel void k(
  metal::uint3 thread_id [[thread_position_in_threadgroup]]
, device type_1 const& arg0_ [[buffer(0)]]
, device type_1& arg2_ [[buffer(1)]]
, constant Immediates& immediates [[buffer(2)]]
, constant _mslBufferSizes& _buffer_sizes [[buffer(3)]]
) {
    int _e4 = static_cast<int>(thread_id.x);
    int _e8 = immediates.arg0_size0_;
    int _e11 = immediates.arg0_size1_;
    float _e17 = immediates.arg1_;
    int _e20 = immediates.arg2_stride0_;
    int _e23 = immediates.arg2_offset;
    int _e9 = as_type<int>(as_type<uint>(_e8) - as_type<uint>(_e4));
    float _e15 = arg0_[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e9) * as_type<uint>(_e11))) + as_type<uint>(_e4))), (_buffer_sizes.size0 - 0 - 4) / 4)];
    arg2_[metal::min(unsigned(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e23) + as_type<uint>(as_type<int>(as_type<uint>(_e9) * as_type<uint>(_e20))))) + as_type<uint>(_e4))), (_buffer_sizes.size1 - 0 - 4) / 4)] = _e15 * _e17;
}
