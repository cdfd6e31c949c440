// A channel of an NCHW tensor as one sequence, and the sums over it. It lies apart from the entries because the order
// of these additions is the product: the CPU twin repeats it operation for operation. The order follows from the
// sequence's length and the logical width alone, never from the launch, the addresses or how elements are loaded.
#pragma once
// The loads, their types and the widening of f16.
#include "reduce.cuh"

constexpr u32 MOST_WARPS = 32;
// Elements of a chunk of split_tree: sixteen per thread, which it holds in registers, so that it reads them once.
constexpr u32 CHUNK = 16 * GROUPS;
template <typename Source>
constexpr u32 CHUNK_TILES = 16 / Source::VEC;

struct Floats : F32 {
    static __device__ __forceinline__ void unpack(const Pack& pack, float (&values)[VEC]) {
#pragma unroll
        for (u32 k = 0; k < VEC; ++k) values[k] = __uint_as_float(pack.word[k]);
    }
};

struct Halves : F16 {
    static __device__ __forceinline__ void unpack(const Pack& pack, float (&values)[VEC]) {
#pragma unroll
        for (u32 k = 0; k < VEC; k += 2) widen(pack.word[k / 2], values[k], values[k + 1]);
    }
};

// A tensor of images * channels * plane elements; a channel is images planes, which lie channels * plane apart.
template <typename Source>
struct Tensor {
    const typename Source::Element* x;
    u64 images;
    u64 channels;
    u64 plane;

    __device__ __forceinline__ u64 count() const { return images * plane; }
    // Whether each group of VEC neighbours of the sequence is one aligned load: no group crosses planes then.
    __device__ __forceinline__ bool in_packs() const {
        return plane % Source::VEC == 0 && reinterpret_cast<u64>(x) % sizeof(Pack) == 0;
    }
};

// Keeps the compiler from computing what follows from `value` before a loop: it would hold it in registers throughout.
__device__ __forceinline__ u64 here_and_now(u64 value) {
    asm volatile("mov.b64 %0, %0;" : "+l"(value));
    return value;
}

// Where one group of a channel's sequence lies, and those that follow it at a fixed distance. Carried along, since a
// division per load would take longer than the load.
template <typename Source, bool PACKS>
struct Cursor {
    u64 at;        // in x
    u64 inside;    // its plane
    u64 skip;      // from the end of the channel's plane to the next one
    u64 plane;
    u64 leap_at;   // the distance to the following group, in whole planes of x
    u64 leap;      // and what is left of it

    __device__ __forceinline__ Cursor(const Tensor<Source>& tensor, u64 channel, u64 first, u64 stride) {
        const u64 image = tensor.channels * tensor.plane;
        plane = here_and_now(tensor.plane);
        skip = image - plane;
        const u64 before = first / plane;
        inside = first - before * plane;
        at = before * image + channel * plane + inside;
        const u64 planes = stride / plane;
        leap = stride - planes * plane;
        leap_at = planes * image + leap;
    }

    // The first `present` elements of the group: all or none of them where it is one load.
    __device__ __forceinline__ Pack load(const typename Source::Element* x, u32 present) const {
        if (PACKS) return load_16(x + at, present != 0);
        Pack pack = {};
        u64 from = at;
        // In 32 bits, as more than a group is as good as a plane.
        u32 left = within_group(plane - inside);
#pragma unroll
        for (u32 k = 0; k < Source::VEC; ++k) {
            if (Source::VEC == 4) {
                pack.word[k % 4] = load_4(x + from, k < present);
            } else {
                pack.word[k / 2] |= load_2(x + from, k < present) << k % 2 * 16;
            }
            ++from;
            if (--left == 0) {
                from += skip;
                left = within_group(plane);
            }
        }
        return pack;
    }

    __device__ __forceinline__ static u32 within_group(u64 elements) {
        return elements > Source::VEC ? Source::VEC + 1 : static_cast<u32>(elements);
    }

    __device__ __forceinline__ void advance() {
        at += leap_at;
        inside += leap;
        if (inside >= plane) {
            inside -= plane;
            at += skip;
        }
    }
};

// What is added up of an element: itself ...
struct Itself {
    __device__ __forceinline__ float operator()(float x) const { return x; }
};

// ... or its squared distance from a mean.
struct Square {
    float mean;

    __device__ __forceinline__ float operator()(float x) const {
        const float apart = __fsub_rn(x, mean);
        return __fmul_rn(apart, apart);
    }
};

template <typename Source, typename Term>
__device__ __forceinline__ void add(float (&lanes)[Source::VEC], const Pack& pack, u32 present, Term term) {
    float values[Source::VEC];
    Source::unpack(pack, values);
#pragma unroll
    for (u32 k = 0; k < Source::VEC; ++k) {
        if (k < present) lanes[k] = __fadd_rn(lanes[k], term(values[k]));
    }
}

// Neighbours in pairs until one is left.
template <u32 VEC>
__device__ __forceinline__ float pairs(float (&lanes)[VEC]) {
#pragma unroll
    for (u32 apart = 1; apart < VEC; apart *= 2) {
#pragma unroll
        for (u32 k = 0; k < VEC; k += 2 * apart) lanes[k] = __fadd_rn(lanes[k], lanes[k + apart]);
    }
    return lanes[0];
}

__device__ __forceinline__ float warp_pairs(float sum) {
#pragma unroll
    for (u32 apart = 1; apart < WARP; apart *= 2) sum = __fadd_rn(sum, __shfl_down_sync(0xffffffffu, sum, apart));
    return sum;
}

struct Scratch {
    float warp_sums[MOST_WARPS];
    float total;
};

// Groups in pairs of neighbours, by the warp that holds 32 of them: one *logical* warp.
__device__ __forceinline__ void leave_warp_sum(Scratch& scratch, u32 group, float sum) {
    sum = warp_pairs(sum);
    if (group % WARP == 0) scratch.warp_sums[group / WARP] = sum;
}

// Then the warps; the result is valid in every thread. Absent warps add +0, which changes nothing: a sum that began
// at +0 is never -0.
__device__ __forceinline__ float total_of_warps(Scratch& scratch, u32 groups) {
    __syncthreads();
    if (threadIdx.x < WARP) {
        const float sum = warp_pairs(threadIdx.x < groups / WARP ? scratch.warp_sums[threadIdx.x] : 0.0f);
        if (threadIdx.x == 0) scratch.total = sum;
    }
    // Behind this nobody reads warp_sums any more; the next total is written behind the next call's first barrier.
    __syncthreads();
    return scratch.total;
}

// sum_of(group) for every group, then neighbouring groups in pairs. All threads of the block must call it. groups and
// blockDim.x are multiples of 32, so that each round gives a warp 32 neighbouring groups; warps beyond them wait.
template <typename SumOf>
__device__ __forceinline__ float block_pairs(Scratch& scratch, u32 groups, SumOf sum_of) {
#pragma unroll 1
    for (u32 group = threadIdx.x; group < groups; group += blockDim.x) leave_warp_sum(scratch, group, sum_of(group));
    return total_of_warps(scratch, groups);
}

// The sum of one group's lanes over the tiles first, first + step, ...: `count` of them, of groups * VEC elements.
template <typename Source, bool PACKS, typename Term>
__device__ __forceinline__ float group_sum(const Tensor<Source>& tensor, u64 channel, const Tiles& tiles, u32 groups,
                                           u32 group, Term term) {
    constexpr u32 VEC = Source::VEC;
    // Element loads of four tiles at once would not fit into the registers.
    constexpr u32 IN_FLIGHT = PACKS ? 4 : 1;

    const u64 width = static_cast<u64>(groups) * VEC;
    const u64 start = tiles.first * width + group * VEC;
    const u64 stride = tiles.step * width;
    const u64 after = start + tiles.count * stride;
    const u64 end = after < tensor.count() ? after : tensor.count();

    Cursor<Source, PACKS> cursor(tensor, channel, start, stride);
    float lanes[VEC] = {};
#pragma unroll 1
    for (u64 e = start; e < end; e += IN_FLIGHT * stride) {
        Pack packs[IN_FLIGHT];
        u32 present[IN_FLIGHT];
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) {
            const u64 here = e + i * stride;
            const u64 left = here < end ? end - here : 0;
            present[i] = left < VEC ? static_cast<u32>(left) : VEC;
            packs[i] = cursor.load(tensor.x, present[i]);
            cursor.advance();
        }
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) add<Source>(lanes, packs[i], present[i], term);
    }
    return pairs(lanes);
}

template <typename Source, typename Term>
__device__ __forceinline__ float tiles_sum(const Tensor<Source>& tensor, u64 channel, const Tiles& tiles, u32 groups,
                                           Scratch& scratch, Term term) {
    const bool in_packs = tensor.in_packs();
    return block_pairs(scratch, groups, [&](u32 group) {
        return in_packs ? group_sum<Source, true>(tensor, channel, tiles, groups, group, term)
                        : group_sum<Source, false>(tensor, channel, tiles, groups, group, term);
    });
}

// What every training algorithm leaves behind of a channel.
struct Statistics {
    float* saved_mean;
    float* saved_invstd;
    float* running_mean;
    float* running_var;
    float epsilon;
    float momentum;
    float keep;  // 1 - momentum
};

__device__ __forceinline__ float inverse_deviation(float variance, float epsilon) {
    return __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(variance, epsilon)));
}

__device__ __forceinline__ float updated(float running, float batch, const Statistics& to) {
    return __fadd_rn(__fmul_rn(to.keep, running), __fmul_rn(to.momentum, batch));
}

// From a channel's mean and its sum of squared distances; one thread's work.
__device__ __forceinline__ void store_statistics(const Statistics& to, u64 channel, u64 count, float mean,
                                                 float squares) {
    const float variance = __fdiv_rn(squares, static_cast<float>(count));
    const float unbiased = __fdiv_rn(squares, static_cast<float>(count - 1));
    to.saved_mean[channel] = mean;
    to.saved_invstd[channel] = inverse_deviation(variance, to.epsilon);
    to.running_mean[channel] = updated(to.running_mean[channel], mean, to);
    to.running_var[channel] = updated(to.running_var[channel], unbiased, to);
}
