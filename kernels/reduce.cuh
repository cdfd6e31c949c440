// The summation tree of every reduce kernel. It lies apart from the entries because its shape is the product:
// the CPU twin repeats it addition for addition, so whoever changes the order of one addition here changes the
// published bits. The shape follows from the number of elements alone, never from the launch.
#pragma once

using u32 = unsigned int;
using u64 = unsigned long long;

constexpr u32 WARP = 32;
constexpr u32 GROUPS = 256;  // of VEC neighbouring elements: a tile's logical width, whatever blockDim is
constexpr u32 WARPS = GROUPS / WARP;

// What one thread holds of one tile: a 16-byte load's worth of elements.
struct Pack {
    u32 word[4];
};

// Loads that yield zeros where nothing is `present`. They are predicated in assembly because the compiler turns
// `present ? load : 0` into branches, behind which the loads no longer travel together.
//
// The input is constant while a kernel runs, so it may come through the read-only cache.
__device__ __forceinline__ Pack load_16(const void* at, bool present) {
    Pack pack;
    asm("{\n\t.reg .pred present;\n\tsetp.ne.u32 present, %5, 0;\n\t"
        "mov.b32 %0, 0;\n\tmov.b32 %1, 0;\n\tmov.b32 %2, 0;\n\tmov.b32 %3, 0;\n\t"
        "@present ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];\n\t}"
        : "=r"(pack.word[0]), "=r"(pack.word[1]), "=r"(pack.word[2]), "=r"(pack.word[3])
        : "l"(at), "r"(static_cast<u32>(present)));
    return pack;
}

__device__ __forceinline__ u32 load_4(const void* at, bool present) {
    u32 word;
    asm("{\n\t.reg .pred present;\n\tsetp.ne.u32 present, %2, 0;\n\t"
        "mov.b32 %0, 0;\n\t@present ld.global.nc.b32 %0, [%1];\n\t}"
        : "=r"(word)
        : "l"(at), "r"(static_cast<u32>(present)));
    return word;
}

__device__ __forceinline__ u32 load_2(const void* at, bool present) {
    unsigned short half;
    asm("{\n\t.reg .pred present;\n\tsetp.ne.u32 present, %2, 0;\n\t"
        "mov.b16 %0, 0;\n\t@present ld.global.nc.b16 %0, [%1];\n\t}"
        : "=h"(half)
        : "l"(at), "r"(static_cast<u32>(present)));
    return half;
}

// Partials were written by other blocks of the same launch. L1 is not coherent between multiprocessors, so they
// are read from L2; volatile and the clobber keep the compiler from hoisting the load over the fence before it.
__device__ __forceinline__ Pack load_16_coherent(const void* at, bool present) {
    Pack pack;
    asm volatile("{\n\t.reg .pred present;\n\tsetp.ne.u32 present, %5, 0;\n\t"
                 "mov.b32 %0, 0;\n\tmov.b32 %1, 0;\n\tmov.b32 %2, 0;\n\tmov.b32 %3, 0;\n\t"
                 "@present ld.global.cg.v4.b32 {%0, %1, %2, %3}, [%4];\n\t}"
                 : "=r"(pack.word[0]), "=r"(pack.word[1]), "=r"(pack.word[2]), "=r"(pack.word[3])
                 : "l"(at), "r"(static_cast<u32>(present))
                 : "memory");
    return pack;
}

__device__ __forceinline__ u32 load_4_coherent(const void* at, bool present) {
    u32 word;
    asm volatile("{\n\t.reg .pred present;\n\tsetp.ne.u32 present, %2, 0;\n\t"
                 "mov.b32 %0, 0;\n\t@present ld.global.cg.b32 %0, [%1];\n\t}"
                 : "=r"(word)
                 : "l"(at), "r"(static_cast<u32>(present))
                 : "memory");
    return word;
}

// Assembly in place of cuda_fp16.h: with no header included, line information names no file of the build machine.
__device__ __forceinline__ void widen(u32 halves, float& low, float& high) {
    asm("{\n\t.reg .b16 low, high;\n\tmov.b32 {low, high}, %2;\n\t"
        "cvt.f32.f16 %0, low;\n\tcvt.f32.f16 %1, high;\n\t}"
        : "=f"(low), "=f"(high)
        : "r"(halves));
}

// The three kinds of rows. IN_FLIGHT is the number of tiles loaded before the first addition: enough bytes under
// way to cover the latency of DRAM, few enough registers for four blocks of 256 threads.
struct F32 {
    using Element = float;
    static constexpr u32 VEC = 4;
    static constexpr u32 IN_FLIGHT = 8;

    static __device__ __forceinline__ Pack load(const float* at, bool present) { return load_16(at, present); }
    // The first `present` elements, one by one.
    static __device__ __forceinline__ Pack load_each(const float* at, u64 present) {
        Pack pack;
#pragma unroll
        for (u32 k = 0; k < VEC; ++k) pack.word[k] = load_4(at + k, k < present);
        return pack;
    }
    static __device__ __forceinline__ void add(float (&lanes)[VEC], const Pack& pack) {
#pragma unroll
        for (u32 k = 0; k < VEC; ++k) lanes[k] = __fadd_rn(lanes[k], __uint_as_float(pack.word[k]));
    }
    static __device__ __forceinline__ float one(const float* at) { return __uint_as_float(load_4(at, true)); }
};

struct Partials {
    using Element = float;
    static constexpr u32 VEC = 4;
    static constexpr u32 IN_FLIGHT = 4;

    static __device__ __forceinline__ Pack load(const float* at, bool present) {
        return load_16_coherent(at, present);
    }
    static __device__ __forceinline__ Pack load_each(const float* at, u64 present) {
        Pack pack;
#pragma unroll
        for (u32 k = 0; k < VEC; ++k) pack.word[k] = load_4_coherent(at + k, k < present);
        return pack;
    }
    static __device__ __forceinline__ void add(float (&lanes)[VEC], const Pack& pack) { F32::add(lanes, pack); }
};

struct F16 {
    using Element = unsigned short;
    static constexpr u32 VEC = 8;
    static constexpr u32 IN_FLIGHT = 8;

    static __device__ __forceinline__ Pack load(const unsigned short* at, bool present) {
        return load_16(at, present);
    }
    static __device__ __forceinline__ Pack load_each(const unsigned short* at, u64 present) {
        Pack pack;
#pragma unroll
        for (u32 k = 0; k < VEC; k += 2) {
            pack.word[k / 2] = load_2(at + k, k < present) | load_2(at + k + 1, k + 1 < present) << 16;
        }
        return pack;
    }
    static __device__ __forceinline__ void add(float (&lanes)[VEC], const Pack& pack) {
#pragma unroll
        for (u32 k = 0; k < VEC; k += 2) {
            float low, high;
            widen(pack.word[k / 2], low, high);
            lanes[k] = __fadd_rn(lanes[k], low);
            lanes[k + 1] = __fadd_rn(lanes[k + 1], high);
        }
    }
    static __device__ __forceinline__ float one(const unsigned short* at) {
        float low, high;
        widen(load_2(at, true), low, high);
        return low;
    }
};

// Tiles first, first + step, ... of a row: `count` of them.
struct Tiles {
    u64 first;
    u64 step;
    u64 count;
};

template <typename Source>
constexpr u64 WIDTH = static_cast<u64>(GROUPS) * Source::VEC;

template <typename Source>
__device__ __forceinline__ u64 tiles_in(u64 columns) {
    return columns / WIDTH<Source> + (columns % WIDTH<Source> != 0);
}

// The sum of one group: each of its lanes over the tiles in ascending order, then the lanes in pairs of neighbours.
// ALIGNED chooses how elements are loaded and must not reach the order in which they are added. An absent element
// adds +0, which changes nothing: a sum that began at +0 is never -0.
template <typename Source, bool ALIGNED>
__device__ __forceinline__ float group_sum(const typename Source::Element* row, u64 columns, const Tiles& tiles,
                                           u32 group) {
    constexpr u32 VEC = Source::VEC;
    // Element loads of eight tiles at once would not fit into the registers.
    constexpr u32 IN_FLIGHT = ALIGNED ? Source::IN_FLIGHT : 2;

    const u64 start = tiles.first * WIDTH<Source> + group * VEC;
    const u64 stride = tiles.step * WIDTH<Source>;
    const u64 after = start + tiles.count * stride;
    const u64 end = after < columns ? after : columns;

    float lanes[VEC] = {};
#pragma unroll 1
    for (u64 e = start; e < end; e += IN_FLIGHT * stride) {
        Pack packs[IN_FLIGHT];
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) {
            const u64 at = e + i * stride;
            if (ALIGNED) {
                packs[i] = Source::load(row + at, at + VEC <= end);
            } else {
                packs[i] = Source::load_each(row + at, at < end ? end - at : 0);
            }
        }
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) Source::add(lanes, packs[i]);
    }
    // Tiles ascend, so only the last can reach over the end of the row, and its elements are the last to add.
    const u64 last = after - stride;
    if (ALIGNED && tiles.count != 0 && last < end && end < last + VEC) {
        Source::add(lanes, Source::load_each(row + last, end - last));
    }

#pragma unroll
    for (u32 apart = 1; apart < VEC; apart *= 2) {
#pragma unroll
        for (u32 k = 0; k < VEC; k += 2 * apart) lanes[k] = __fadd_rn(lanes[k], lanes[k + apart]);
    }
    return lanes[0];
}

// The sum of some tiles of a row, valid in thread 0. Every thread of the block must call it, and blockDim.x must
// be a multiple of 32: then each round gives a warp 32 neighbouring groups, which is one *logical* warp of the
// tree, so that the tree needs no other handling for narrow blocks, and warps beyond the groups merely wait.
template <typename Source>
__device__ __forceinline__ float block_sum(const typename Source::Element* row, u64 columns, const Tiles& tiles) {
    __shared__ float warp_sums[WARPS];

    const bool aligned = reinterpret_cast<u64>(row) % sizeof(Pack) == 0;
#pragma unroll 1
    for (u32 group = threadIdx.x; group < GROUPS; group += blockDim.x) {
        float sum = aligned ? group_sum<Source, true>(row, columns, tiles, group)
                            : group_sum<Source, false>(row, columns, tiles, group);
#pragma unroll
        for (u32 apart = 1; apart < WARP; apart *= 2) {
            sum = __fadd_rn(sum, __shfl_down_sync(0xffffffffu, sum, apart));
        }
        if (group % WARP == 0) warp_sums[group / WARP] = sum;
    }
    __syncthreads();

    float sum = 0.0f;
    if (threadIdx.x == 0) {
        float sums[WARPS];
#pragma unroll
        for (u32 k = 0; k < WARPS; ++k) sums[k] = warp_sums[k];
#pragma unroll
        for (u32 apart = 1; apart < WARPS; apart *= 2) {
#pragma unroll
            for (u32 k = 0; k < WARPS; k += 2 * apart) sums[k] = __fadd_rn(sums[k], sums[k + apart]);
        }
        sum = sums[0];
    }
    // The next call overwrites warp_sums.
    __syncthreads();
    return sum;
}
