// The control of `matmul`: one thread per output, and a plain a * b + c that the compiler may contract. It is compiled
// twice, with contraction (FMAD is 1) and without, and each way's entries are named after it. What the source does
// not say, the bits cannot be sure of: this is why no other kernel is written like that.

using u32 = unsigned int;
using u64 = unsigned long long;
using u16 = unsigned short;

#define JOIN(A, B, C) A##B##C
#define NAME(FMAD, DTYPE) JOIN(contractible_fmad, FMAD, DTYPE)
#define ENTRY(DTYPE) extern "C" __global__ void __launch_bounds__(1024, 1) NAME(FMAD, DTYPE)

__device__ __forceinline__ float widen(u16 half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

__device__ __forceinline__ float widen(float value) { return value; }

__device__ __forceinline__ u16 narrow(float value) {
    u16 half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
}

// Calls store(index, sum) for every output; neighbouring threads take neighbouring columns.
template <typename Element, typename Store>
__device__ __forceinline__ void products(const Element* a, const Element* b, u32 m, u32 n, u32 k, u32 ta, u32 tb,
                                         Store store) {
    const u64 a_apart = ta ? m : 1u, b_apart = tb ? 1u : n;
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    const u64 elements = static_cast<u64>(m) * n;
    for (u64 e = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; e < elements; e += threads) {
        const u64 row = e / n, column = e - row * n;
        const Element* left = a + (ta ? row : row * k);
        const Element* right = b + (tb ? column * k : column);
        float sum = 0.0f;
#pragma unroll 4
        for (u64 i = 0; i < k; ++i) sum = sum + widen(__ldg(left + i * a_apart)) * widen(__ldg(right + i * b_apart));
        store(e, sum);
    }
}

ENTRY(_f32)(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 ta, u32 tb) {
    products(a, b, m, n, k, ta, tb, [=](u64 e, float sum) { c[e] = sum; });
}

// c32 is the f32 sum beside the f16 one, or null.
ENTRY(_f16)(const u16* a, const u16* b, u16* c, float* c32, u32 m, u32 n, u32 k, u32 ta, u32 tb) {
    products(a, b, m, n, k, ta, tb, [=](u64 e, float sum) {
        c[e] = narrow(sum);
        if (c32) c32[e] = sum;
    });
}
