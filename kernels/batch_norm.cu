// The entries of `batch_norm`: a channel's statistics in three ways that differ in who adds which elements, in what
// order partial sums meet, and so in what they can promise; and the elementwise step, from the batch's statistics or
// from the running ones. The order inside a block is in batch_norm.cuh.
#include "batch_norm.cuh"

// Any multiple of 32 threads up to the bound is a legal block, so ptxas must not use more registers than so many
// threads can have.
#define ENTRY_UP_TO(threads) extern "C" __global__ void __launch_bounds__(threads, 1)
#define ENTRY ENTRY_UP_TO(1024)

// Calls act(channel, part) for this block's items: channels * parts of them, over whatever grid was launched.
template <typename Act>
__device__ __forceinline__ void for_items(u64 channels, u32 parts, Act act) {
    for (u64 item = blockIdx.x; item < channels * parts; item += gridDim.x) {
        const u64 channel = item / parts;
        act(channel, static_cast<u32>(item - channel * parts));
    }
}

__device__ __forceinline__ u64 tiles_of(u64 count, u32 groups, u32 vec) {
    const u64 width = static_cast<u64>(groups) * vec;
    return count / width + (count % width != 0);
}

// Tiles part, part + parts, ...
__device__ __forceinline__ Tiles share_of(u64 tiles, u32 part, u32 parts) {
    return {part, parts, part < tiles ? (tiles - 1 - part) / parts + 1 : 0};
}

template <typename Source>
__device__ __forceinline__ void atomic_sums(const Tensor<Source>& tensor, float* sums, u32 parts) {
    __shared__ Scratch scratch;
    const u64 tiles = tiles_of(tensor.count(), GROUPS, Source::VEC);
    for_items(tensor.channels, parts, [&](u64 channel, u32 part) {
        const float sum = tiles_sum(tensor, channel, share_of(tiles, part, parts), GROUPS, scratch, Itself{});
        if (threadIdx.x == 0) atomicAdd(&sums[channel], sum);
    });
}

template <typename Source>
__device__ __forceinline__ void atomic_squares(const Tensor<Source>& tensor, const float* sums, float* squares,
                                               u32 parts) {
    __shared__ Scratch scratch;
    const u64 tiles = tiles_of(tensor.count(), GROUPS, Source::VEC);
    for_items(tensor.channels, parts, [&](u64 channel, u32 part) {
        const Square square{__fdiv_rn(sums[channel], static_cast<float>(tensor.count()))};
        const float sum = tiles_sum(tensor, channel, share_of(tiles, part, parts), GROUPS, scratch, square);
        if (threadIdx.x == 0) atomicAdd(&squares[channel], sum);
    });
}

template <typename Source>
__device__ __forceinline__ void channel_tree(const Tensor<Source>& tensor, const Statistics& to, u32 groups) {
    __shared__ Scratch scratch;
    const Tiles all{0, 1, tiles_of(tensor.count(), groups, Source::VEC)};
    for_items(tensor.channels, 1, [&](u64 channel, u32) {
        const float sum = tiles_sum(tensor, channel, all, groups, scratch, Itself{});
        const float mean = __fdiv_rn(sum, static_cast<float>(tensor.count()));
        const float squares = tiles_sum(tensor, channel, all, groups, scratch, Square{mean});
        if (threadIdx.x == 0) store_statistics(to, channel, tensor.count(), mean, squares);
    });
}

template <typename Source>
__device__ __forceinline__ void load_chunk(Pack (&packs)[CHUNK_TILES<Source>], const Tensor<Source>& tensor,
                                           u64 channel, u64 first, u32 length, u32 group) {
    constexpr u32 VEC = Source::VEC;
    Cursor<Source, true> cursor(tensor, channel, first + group * VEC, GROUPS * VEC);
#pragma unroll
    for (u32 i = 0; i < CHUNK_TILES<Source>; ++i) {
        packs[i] = cursor.load(tensor.x, (i * GROUPS + group) * VEC < length ? VEC : 0);
        cursor.advance();
    }
}

template <typename Source, typename Term>
__device__ __forceinline__ float chunk_sum(const Pack (&packs)[CHUNK_TILES<Source>], u32 length, u32 group, Term term) {
    constexpr u32 VEC = Source::VEC;
    float lanes[VEC] = {};
#pragma unroll
    for (u32 i = 0; i < CHUNK_TILES<Source>; ++i) {
        add<Source>(lanes, packs[i], (i * GROUPS + group) * VEC < length ? VEC : 0, term);
    }
    return pairs(lanes);
}

// The same from single elements, tile by tile.
template <typename Source, typename Term>
__device__ __forceinline__ float chunk_sum_by_element(const Tensor<Source>& tensor, u64 channel, u64 first, u32 length,
                                                      u32 group, Term term) {
    constexpr u32 VEC = Source::VEC;
    Cursor<Source, false> cursor(tensor, channel, first + group * VEC, GROUPS * VEC);
    float lanes[VEC] = {};
#pragma unroll 1
    for (u32 here = group * VEC; here < length; here += GROUPS * VEC) {
        add<Source>(lanes, cursor.load(tensor.x, length - here), length - here, term);
        cursor.advance();
    }
    return pairs(lanes);
}

// A chunk's sum, and its squared distances from its own mean. A block of 256 threads or more reads it once where it
// can read packs; else its elements are read one by one, and again for the second sum, which changes no bit.
template <typename Source>
__device__ __forceinline__ void chunk_moments(const Tensor<Source>& tensor, u64 channel, u64 first, u32 length,
                                              Scratch& scratch, float& sum, float& squares) {
    if (tensor.in_packs() && blockDim.x >= GROUPS) {
        Pack packs[CHUNK_TILES<Source>];
        const u32 group = threadIdx.x;
        if (group < GROUPS) {
            load_chunk(packs, tensor, channel, first, length, group);
            leave_warp_sum(scratch, group, chunk_sum<Source>(packs, length, group, Itself{}));
        }
        sum = total_of_warps(scratch, GROUPS);
        const Square square{__fdiv_rn(sum, static_cast<float>(length))};
        if (group < GROUPS) leave_warp_sum(scratch, group, chunk_sum<Source>(packs, length, group, square));
        squares = total_of_warps(scratch, GROUPS);
    } else {
        sum = block_pairs(scratch, GROUPS, [&](u32 group) {
            return chunk_sum_by_element(tensor, channel, first, length, group, Itself{});
        });
        const Square square{__fdiv_rn(sum, static_cast<float>(length))};
        squares = block_pairs(scratch, GROUPS, [&](u32 group) {
            return chunk_sum_by_element(tensor, channel, first, length, group, square);
        });
    }
}

template <typename Source>
__device__ __forceinline__ void split_tree(const Tensor<Source>& tensor, float* sums, float* squares,
                                           const Statistics& to, u32 chunks) {
    __shared__ Scratch scratch;
    const u64 count = tensor.count();
    for_items(tensor.channels, chunks, [&](u64 channel, u32 chunk) {
        const u64 first = static_cast<u64>(chunk) * CHUNK;
        const u64 left = count - first;
        const u32 length = left < CHUNK ? static_cast<u32>(left) : CHUNK;
        float sum, square;
        chunk_moments(tensor, channel, first, length, scratch, sum, square);
        if (threadIdx.x != 0) return;
        if (chunks == 1) {
            // What combining a single chunk would give.
            store_statistics(to, channel, count, __fdiv_rn(sum, static_cast<float>(count)), square);
        } else {
            sums[channel * chunks + chunk] = sum;
            squares[channel * chunks + chunk] = square;
        }
    });
}

// Chunks in order of their index: the mean of all, then each chunk's squares about its own mean, moved to that of all
// (Chan, Golub and LeVeque 1979: the sum of squares about another point grows by length times distance squared).
__device__ __forceinline__ void combine_chunks(const float* sums, const float* squares, const Statistics& to,
                                               u64 channels, u64 count, u32 chunks) {
    __shared__ Scratch scratch;
    for_items(channels, 1, [&](u64 channel, u32) {
        const float* own_sums = sums + channel * chunks;
        const float* own_squares = squares + channel * chunks;
        const float sum = block_pairs(scratch, GROUPS, [&](u32 lane) {
            float total = 0.0f;
            for (u64 chunk = lane; chunk < chunks; chunk += GROUPS) total = __fadd_rn(total, own_sums[chunk]);
            return total;
        });
        const float mean = __fdiv_rn(sum, static_cast<float>(count));
        const float about = block_pairs(scratch, GROUPS, [&](u32 lane) {
            float total = 0.0f;
            for (u64 chunk = lane; chunk < chunks; chunk += GROUPS) {
                const u64 left = count - chunk * CHUNK;
                const float length = static_cast<float>(left < CHUNK ? left : CHUNK);
                const float apart = __fsub_rn(__fdiv_rn(own_sums[chunk], length), mean);
                const float moved = __fmul_rn(length, __fmul_rn(apart, apart));
                total = __fadd_rn(total, __fadd_rn(own_squares[chunk], moved));
            }
            return total;
        });
        if (threadIdx.x == 0) store_statistics(to, channel, count, mean, about);
    });
}

// What an element of a channel goes through.
struct Channel {
    float mean;
    float scale;
    float shift;

    __device__ __forceinline__ float operator()(float x) const {
        return __fadd_rn(__fmul_rn(__fsub_rn(x, mean), scale), shift);
    }
};

struct OfBatch {
    const float* mean;
    const float* invstd;
    const float* weight;
    const float* bias;

    __device__ __forceinline__ Channel operator()(u64 channel) const {
        return {mean[channel], __fmul_rn(weight[channel], invstd[channel]), bias[channel]};
    }
};

struct OfRunning {
    const float* mean;
    const float* variance;
    const float* weight;
    const float* bias;
    float epsilon;

    __device__ __forceinline__ Channel operator()(u64 channel) const {
        const float invstd = inverse_deviation(variance[channel], epsilon);
        return {mean[channel], __fmul_rn(weight[channel], invstd), bias[channel]};
    }
};

__device__ __forceinline__ u32 bits_of(float value) { return __float_as_uint(value); }

__device__ __forceinline__ u32 narrow(float low, float high) {
    u32 halves;
    asm("{\n\t.reg .b16 low, high;\n\tcvt.rn.f16.f32 low, %1;\n\tcvt.rn.f16.f32 high, %2;\n\t"
        "mov.b32 %0, {low, high};\n\t}"
        : "=r"(halves)
        : "f"(low), "f"(high));
    return halves;
}

__device__ __forceinline__ void store_16(void* to, u32 a, u32 b, u32 c, u32 d) {
    *static_cast<uint4*>(to) = uint4{a, b, c, d};
}

struct FloatsOut {
    float* y;

    __device__ __forceinline__ bool aligned() const { return reinterpret_cast<u64>(y) % sizeof(Pack) == 0; }
    __device__ __forceinline__ void store(u64 at, const float (&v)[Floats::VEC]) const {
        store_16(y + at, bits_of(v[0]), bits_of(v[1]), bits_of(v[2]), bits_of(v[3]));
    }
    __device__ __forceinline__ void store_one(u64 at, float value) const { y[at] = value; }
};

// The narrow store, and the f32 values beside it unless `wide` is null.
struct HalvesOut {
    unsigned short* y;
    float* wide;

    __device__ __forceinline__ bool aligned() const {
        return (reinterpret_cast<u64>(y) | reinterpret_cast<u64>(wide)) % sizeof(Pack) == 0;
    }
    __device__ __forceinline__ void store(u64 at, const float (&v)[Halves::VEC]) const {
        store_16(y + at, narrow(v[0], v[1]), narrow(v[2], v[3]), narrow(v[4], v[5]), narrow(v[6], v[7]));
        if (wide == nullptr) return;
        store_16(wide + at, bits_of(v[0]), bits_of(v[1]), bits_of(v[2]), bits_of(v[3]));
        store_16(wide + at + 4, bits_of(v[4]), bits_of(v[5]), bits_of(v[6]), bits_of(v[7]));
    }
    __device__ __forceinline__ void store_one(u64 at, float value) const {
        y[at] = static_cast<unsigned short>(narrow(value, 0.0f));
        if (wide != nullptr) wide[at] = value;
    }
};

// Groups of a span: neighbouring memory that a block works through, so that it divides once per span.
constexpr u32 SPAN_GROUPS = 1024;

// Every element in the order of memory, whose channel follows from its place. Loads and stores of 16 bytes do not
// depend on the shape: only groups that reach over the end of a plane take each element's channel by itself.
template <typename Source, typename Out, typename Of>
__device__ __forceinline__ void normalise(const Tensor<Source>& tensor, const Out& out, const Of& of) {
    constexpr u32 VEC = Source::VEC;
    constexpr u32 SPAN = SPAN_GROUPS * VEC;
    // Sixteen elements per thread, whatever their type.
    constexpr u32 IN_FLIGHT = 16 / VEC;
    constexpr u64 NONE = ~0ull;

    const u64 plane = tensor.plane;
    const u64 total = tensor.images * tensor.channels * plane;
    const u32 channels = static_cast<u32>(tensor.channels);
    const bool in_packs = out.aligned() && reinterpret_cast<u64>(tensor.x) % sizeof(Pack) == 0;
    u64 known = NONE;
    Channel channel;
    const auto enter = [&](u32 wanted) {
        if (wanted == known) return;
        known = wanted;
        channel = of(wanted);
    };

    for (u64 start = static_cast<u64>(blockIdx.x) * SPAN; start < total; start += static_cast<u64>(gridDim.x) * SPAN) {
        const u64 planes = start / plane;
        const u64 offset = start - planes * plane;
        const u32 first_channel = static_cast<u32>(planes % channels);
#pragma unroll 1
        for (u32 round = threadIdx.x; round < SPAN_GROUPS; round += IN_FLIGHT * blockDim.x) {
            Pack packs[IN_FLIGHT];
            u32 present[IN_FLIGHT];
#pragma unroll
            for (u32 i = 0; i < IN_FLIGHT; ++i) {
                const u32 group = round + i * blockDim.x;
                const u64 at = start + group * VEC;
                const u64 left = group < SPAN_GROUPS && at < total ? total - at : 0;
                present[i] = left < VEC ? static_cast<u32>(left) : VEC;
                packs[i] = Source::load(tensor.x + at, in_packs && present[i] == VEC);
            }
#pragma unroll
            for (u32 i = 0; i < IN_FLIGHT; ++i) {
                if (present[i] == 0) continue;
                const u32 e = (round + i * blockDim.x) * VEC;
                // Less than plane + SPAN: one plane farther at the most, or a small number.
                u64 inside = offset + e;
                u32 here = first_channel;
                if (inside >= plane) {
                    const u32 passed = plane >= SPAN ? 1 : static_cast<u32>(inside) / static_cast<u32>(plane);
                    inside -= passed * plane;
                    // Below 2^31 + 2 * SPAN.
                    here += passed;
                    if (here >= channels) here %= channels;
                }
                const auto next = [&]() {
                    if (++inside != plane) return;
                    inside = 0;
                    here = here + 1 == channels ? 0 : here + 1;
                };
                if (in_packs && present[i] == VEC) {
                    float values[VEC];
                    Source::unpack(packs[i], values);
#pragma unroll
                    for (u32 k = 0; k < VEC; ++k) {
                        enter(here);
                        values[k] = channel(values[k]);
                        next();
                    }
                    out.store(start + e, values);
                } else {
#pragma unroll 1
                    for (u64 at = start + e; at < start + e + present[i]; ++at) {
                        enter(here);
                        out.store_one(at, channel(Source::one(tensor.x + at)));
                        next();
                    }
                }
            }
        }
    }
}

ENTRY batch_norm_atomic_sums_f32(const float* x, float* sums, u64 images, u64 channels, u64 plane, u32 parts) {
    atomic_sums(Tensor<Floats>{x, images, channels, plane}, sums, parts);
}

ENTRY batch_norm_atomic_sums_f16(const unsigned short* x, float* sums, u64 images, u64 channels, u64 plane,
                                 u32 parts) {
    atomic_sums(Tensor<Halves>{x, images, channels, plane}, sums, parts);
}

ENTRY batch_norm_atomic_squares_f32(const float* x, const float* sums, float* squares, u64 images, u64 channels,
                                    u64 plane, u32 parts) {
    atomic_squares(Tensor<Floats>{x, images, channels, plane}, sums, squares, parts);
}

ENTRY batch_norm_atomic_squares_f16(const unsigned short* x, const float* sums, float* squares, u64 images,
                                    u64 channels, u64 plane, u32 parts) {
    atomic_squares(Tensor<Halves>{x, images, channels, plane}, sums, squares, parts);
}

ENTRY batch_norm_atomic_finish(const float* sums, const float* squares, float* saved_mean, float* saved_invstd,
                               float* running_mean, float* running_var, u64 channels, u64 count, float epsilon,
                               float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    const u64 first = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (u64 channel = first; channel < channels; channel += threads) {
        const float mean = __fdiv_rn(sums[channel], static_cast<float>(count));
        store_statistics(to, channel, count, mean, squares[channel]);
    }
}

ENTRY batch_norm_channel_tree_f32(const float* x, float* saved_mean, float* saved_invstd, float* running_mean,
                                  float* running_var, u64 images, u64 channels, u64 plane, u32 groups, float epsilon,
                                  float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    channel_tree(Tensor<Floats>{x, images, channels, plane}, to, groups);
}

ENTRY batch_norm_channel_tree_f16(const unsigned short* x, float* saved_mean, float* saved_invstd,
                                  float* running_mean, float* running_var, u64 images, u64 channels, u64 plane,
                                  u32 groups, float epsilon, float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    channel_tree(Tensor<Halves>{x, images, channels, plane}, to, groups);
}

ENTRY batch_norm_split_tree_f32(const float* x, float* sums, float* squares, float* saved_mean, float* saved_invstd,
                                float* running_mean, float* running_var, u64 images, u64 channels, u64 plane,
                                u32 chunks, float epsilon, float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    split_tree(Tensor<Floats>{x, images, channels, plane}, sums, squares, to, chunks);
}

// Eight lanes, a group loaded element by element and what it takes to find it are more than 64 registers.
ENTRY_UP_TO(768) batch_norm_split_tree_f16(const unsigned short* x, float* sums, float* squares, float* saved_mean,
                                float* saved_invstd, float* running_mean, float* running_var, u64 images,
                                u64 channels, u64 plane, u32 chunks, float epsilon, float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    split_tree(Tensor<Halves>{x, images, channels, plane}, sums, squares, to, chunks);
}

ENTRY batch_norm_split_tree_finish(const float* sums, const float* squares, float* saved_mean, float* saved_invstd,
                                   float* running_mean, float* running_var, u64 channels, u64 count, u32 chunks,
                                   float epsilon, float momentum, float keep) {
    const Statistics to{saved_mean, saved_invstd, running_mean, running_var, epsilon, momentum, keep};
    combine_chunks(sums, squares, to, channels, count, chunks);
}

ENTRY batch_norm_normalise_f32(const float* x, float* y, const float* mean, const float* invstd, const float* weight,
                               const float* bias, u64 images, u64 channels, u64 plane) {
    normalise(Tensor<Floats>{x, images, channels, plane}, FloatsOut{y}, OfBatch{mean, invstd, weight, bias});
}

ENTRY batch_norm_normalise_f16(const unsigned short* x, unsigned short* y, float* y32, const float* mean,
                               const float* invstd, const float* weight, const float* bias, u64 images, u64 channels,
                               u64 plane) {
    normalise(Tensor<Halves>{x, images, channels, plane}, HalvesOut{y, y32}, OfBatch{mean, invstd, weight, bias});
}

ENTRY batch_norm_inference_f32(const float* x, float* y, const float* mean, const float* variance,
                               const float* weight, const float* bias, u64 images, u64 channels, u64 plane,
                               float epsilon) {
    normalise(Tensor<Floats>{x, images, channels, plane}, FloatsOut{y},
              OfRunning{mean, variance, weight, bias, epsilon});
}

ENTRY batch_norm_inference_f16(const unsigned short* x, unsigned short* y, float* y32, const float* mean,
                               const float* variance, const float* weight, const float* bias, u64 images,
                               u64 channels, u64 plane, float epsilon) {
    normalise(Tensor<Halves>{x, images, channels, plane}, HalvesOut{y, y32},
              OfRunning{mean, variance, weight, bias, epsilon});
}
