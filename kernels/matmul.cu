// The entries of `matmul`: C = A * B in three ways that share one tile product and differ in who adds which part of
// K, and so in what they can promise.
//
// Every output is one chain along K, ascending, that starts at +0: sum = fma(a, b, sum). Tiles, threads, the way of
// loading and the launch do not reach that chain. f16 is widened first, which is exact.

using u32 = unsigned int;
using u64 = unsigned long long;
using u16 = unsigned short;

constexpr u32 THREADS = 256;
constexpr u32 ROWS = 128;       // of A, and so of C, in a tile
constexpr u32 DEPTH = 8;        // along K, in shared memory at a time
constexpr u32 PAD = 4;          // floats between the lines of a tile: stores of a transposed line then meet no bank twice
constexpr u32 GROUP = 8;        // tiles on top of each other that run at the same time, so that they share B in L2
constexpr u32 IN_FLIGHT = 4;    // quads of partial sums that a thread has under way

// Eight warps, two over the rows and four over the columns. 256 threads of up to 255 registers fit once into the
// register file of every architecture, of up to 128 twice.
#define ENTRY(BLOCKS) extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)

// Assembly in place of cuda_fp16.h: with no header included, line information names no file of the build machine.
__device__ __forceinline__ float widen(u16 half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

// Makes every NaN 7fff.
__device__ __forceinline__ u16 narrow(float value) {
    u16 half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
}

__device__ __forceinline__ bool is_aligned(const void* at, u64 bytes) {
    return reinterpret_cast<u64>(at) % bytes == 0;
}

// Four neighbouring elements, as they lie in memory.
struct F32 {
    using Element = float;
    using Quad = uint4;

    static __device__ __forceinline__ Quad load(const float* at) { return __ldg(reinterpret_cast<const uint4*>(at)); }
    // The first `present` elements one by one; the others are zeros, negative ones if `negative`.
    static __device__ __forceinline__ Quad load_each(const float* at, u32 present, bool negative) {
        const float zero = negative ? -0.0f : 0.0f;
        Quad quad;
        quad.x = __float_as_uint(present > 0 ? __ldg(at) : zero);
        quad.y = __float_as_uint(present > 1 ? __ldg(at + 1) : zero);
        quad.z = __float_as_uint(present > 2 ? __ldg(at + 2) : zero);
        quad.w = __float_as_uint(present > 3 ? __ldg(at + 3) : zero);
        return quad;
    }
    static __device__ __forceinline__ float4 widened(const Quad& quad) {
        return make_float4(__uint_as_float(quad.x), __uint_as_float(quad.y), __uint_as_float(quad.z),
                           __uint_as_float(quad.w));
    }
};

struct F16 {
    using Element = u16;
    using Quad = uint2;

    static __device__ __forceinline__ Quad load(const u16* at) { return __ldg(reinterpret_cast<const uint2*>(at)); }
    static __device__ __forceinline__ Quad load_each(const u16* at, u32 present, bool negative) {
        const u32 zero = negative ? 0x8000u : 0u;
        Quad quad;
        quad.x = (present > 0 ? __ldg(at) : zero) | (present > 1 ? __ldg(at + 1) : zero) << 16;
        quad.y = (present > 2 ? __ldg(at + 2) : zero) | (present > 3 ? __ldg(at + 3) : zero) << 16;
        return quad;
    }
    static __device__ __forceinline__ float4 widened(const Quad& quad) {
        return make_float4(widen(static_cast<u16>(quad.x)), widen(static_cast<u16>(quad.x >> 16)),
                           widen(static_cast<u16>(quad.y)), widen(static_cast<u16>(quad.y >> 16)));
    }
};

// A or B: `lines` rows of A or columns of B, each of elements 0 to K. Extents are below 2^31, offsets are not.
template <typename Source>
struct Operand {
    const typename Source::Element* base;
    u32 lines;
    u32 stride;     // elements from one stored row to the next
    bool along_k;   // whether a stored row is a line, so that neighbours in memory are neighbours along K
    bool vectors;   // whether four elements can be loaded at once wherever a multiple of four begins
    bool negative;  // the sign of the zeros beyond K

    __device__ __forceinline__ Operand(const typename Source::Element* base, u32 lines, u32 k, bool along_k,
                                       bool negative)
        : base(base), lines(lines), stride(along_k ? k : lines), along_k(along_k),
          vectors(is_aligned(base, sizeof(typename Source::Quad)) && stride % 4 == 0), negative(negative) {}
};

// What this thread brings of LINES lines and DEPTH elements of each.
//
// Where K ends inside of a tile, A is continued by -0 and B by +0: their product is -0, the one number that leaves
// every sum as it is, -0 included (a sum can become -0 by underflow). Lines beyond the last are never stored.
template <typename Source, u32 LINES>
struct Part {
    static constexpr u32 QUADS = LINES * DEPTH / 4 / THREADS;
    typename Source::Quad quads[QUADS];
    const typename Source::Element* at;  // the next quad to load
    u32 lines;                           // of the tile that exist
    bool whole;                          // whether all of them do, and can be loaded in vectors

    // Where this thread's first quad lies in the tile, and how far apart its quads are.
    static __device__ __forceinline__ u32 line(bool along_k) {
        return along_k ? threadIdx.x / (DEPTH / 4) : threadIdx.x % (LINES / 4) * 4;
    }
    static __device__ __forceinline__ u32 depth(bool along_k) {
        return along_k ? threadIdx.x % (DEPTH / 4) * 4 : threadIdx.x / (LINES / 4);
    }
    static constexpr u32 LINES_APART = THREADS / (DEPTH / 4);
    static constexpr u32 DEPTHS_APART = THREADS / (LINES / 4);

    __device__ __forceinline__ void begin(const Operand<Source>& from, u32 first_line, u32 k) {
        const u64 line = first_line + Part::line(from.along_k);
        const u64 depth = k + Part::depth(from.along_k);
        at = from.base + (from.along_k ? line * from.stride + depth : depth * from.stride + line);
        lines = from.lines - first_line;
        whole = from.vectors && lines >= LINES;
    }

    // The next DEPTH elements of each line, of which only the first `left` belong to this sum.
    __device__ __forceinline__ void fetch(const Operand<Source>& from, u32 left) {
        const u64 apart = static_cast<u64>(from.along_k ? LINES_APART : DEPTHS_APART) * from.stride;
        if (whole && left >= DEPTH) {
#pragma unroll
            for (u32 i = 0; i < QUADS; ++i) quads[i] = Source::load(at + i * apart);
        } else {
#pragma unroll
            for (u32 i = 0; i < QUADS; ++i) {
                const u32 line = Part::line(from.along_k) + (from.along_k ? i * LINES_APART : 0);
                const u32 depth = Part::depth(from.along_k) + (from.along_k ? 0 : i * DEPTHS_APART);
                const u32 present = line < lines && depth < left ? (from.along_k ? left - depth : lines - line) : 0;
                if (from.vectors && present >= 4) {
                    quads[i] = Source::load(at + i * apart);
                } else {
                    quads[i] = Source::load_each(at + i * apart, present, from.negative);
                }
            }
        }
        at += from.along_k ? DEPTH : static_cast<u64>(DEPTH) * from.stride;
    }

    // Into shared memory, where a line lies across.
    __device__ __forceinline__ void put(float (&tile)[DEPTH][LINES + PAD], bool along_k) const {
        const u32 line = Part::line(along_k), depth = Part::depth(along_k);
#pragma unroll
        for (u32 i = 0; i < QUADS; ++i) {
            const float4 values = Source::widened(quads[i]);
            if (along_k) {
                tile[depth][line + i * LINES_APART] = values.x;
                tile[depth + 1][line + i * LINES_APART] = values.y;
                tile[depth + 2][line + i * LINES_APART] = values.z;
                tile[depth + 3][line + i * LINES_APART] = values.w;
            } else {
                *reinterpret_cast<float4*>(&tile[depth + i * DEPTHS_APART][line]) = values;
            }
        }
    }
};

// The sums of one thread: 8 rows, as two groups of four 32 apart, by COLUMNS / 16 columns, as groups of four 16
// apart. So the threads of a warp read neighbouring quads of shared memory, or the same.
template <u32 COLUMNS>
struct Sums {
    static constexpr u32 QUADS = COLUMNS / 64;
    float4 sum[8][QUADS];

    static __device__ __forceinline__ u32 row() { return threadIdx.x / 128 * 64 + threadIdx.x % 32 / 4 * 4; }
    static __device__ __forceinline__ u32 column() {
        return threadIdx.x / 32 % 4 * (COLUMNS / 4) + threadIdx.x % 4 * 4;
    }

    __device__ __forceinline__ void add(const float (&a)[DEPTH][ROWS + PAD], const float (&b)[DEPTH][COLUMNS + PAD]) {
        const u32 row = Sums::row(), column = Sums::column();
#pragma unroll
        for (u32 k = 0; k < DEPTH; ++k) {
            const float4 upper = *reinterpret_cast<const float4*>(&a[k][row]);
            const float4 lower = *reinterpret_cast<const float4*>(&a[k][row + 32]);
            const float rows[8] = {upper.x, upper.y, upper.z, upper.w, lower.x, lower.y, lower.z, lower.w};
#pragma unroll
            for (u32 j = 0; j < QUADS; ++j) {
                const float4 columns = *reinterpret_cast<const float4*>(&b[k][column + 16 * j]);
#pragma unroll
                for (u32 i = 0; i < 8; ++i) {
                    sum[i][j].x = __fmaf_rn(rows[i], columns.x, sum[i][j].x);
                    sum[i][j].y = __fmaf_rn(rows[i], columns.y, sum[i][j].y);
                    sum[i][j].z = __fmaf_rn(rows[i], columns.z, sum[i][j].z);
                    sum[i][j].w = __fmaf_rn(rows[i], columns.w, sum[i][j].w);
                }
            }
        }
    }
};

// The part of C and of K that a launch covers.
struct Extent {
    u32 first_row;
    u32 end_row;
    u32 columns;
    u32 k;
    u32 chunk;   // of K, for each sum; a multiple of DEPTH, or all of K
    u32 splits;
    u32 stride;  // elements from a row of the output to the next
    u64 apart;   // elements from the output of one split to that of the next
};

// Calls store(element, quad, present) with four neighbouring columns, of which `present` exist, and the place of the
// first among the outputs of this launch. There must be a block for every tile and split; more are idle.
template <u32 COLUMNS, typename Source, typename Store>
__device__ __forceinline__ void tile_products(const Operand<Source>& a, const Operand<Source>& b,
                                              const Extent& extent, Store store) {
    __shared__ __align__(16) float a_tiles[2][DEPTH][ROWS + PAD];
    __shared__ __align__(16) float b_tiles[2][DEPTH][COLUMNS + PAD];

    const u32 down = (extent.end_row - extent.first_row + ROWS - 1) / ROWS;
    const u32 across = (extent.columns + COLUMNS - 1) / COLUMNS;
    const u64 tiles = static_cast<u64>(down) * across;
    if (blockIdx.x >= tiles * extent.splits) return;
    const u32 split = static_cast<u32>(blockIdx.x / tiles);
    const u64 tile = blockIdx.x - split * tiles;
    const u32 group = static_cast<u32>(tile / (static_cast<u64>(GROUP) * across));
    const u32 within = static_cast<u32>(tile - group * (static_cast<u64>(GROUP) * across));
    const u32 rest = down - group * GROUP;
    const u32 height = rest < GROUP ? rest : GROUP;
    const u32 first_row = extent.first_row + (group * GROUP + within % height) * ROWS;
    const u32 first_column = within / height * COLUMNS;
    const u32 begin = split * extent.chunk;
    u32 left = extent.k - begin < extent.chunk ? extent.k - begin : extent.chunk;

    Sums<COLUMNS> sums = {};
    Part<Source, ROWS> a_part;
    Part<Source, COLUMNS> b_part;
    u32 buffer = 0;
    a_part.begin(a, first_row, begin);
    b_part.begin(b, first_column, begin);
    if (left) {
        a_part.fetch(a, left);
        b_part.fetch(b, left);
        a_part.put(a_tiles[0], a.along_k);
        b_part.put(b_tiles[0], b.along_k);
    }
    __syncthreads();
#pragma unroll 1
    while (left) {
        const bool more = left > DEPTH;
        left = more ? left - DEPTH : 0;
        if (more) {
            a_part.fetch(a, left);
            b_part.fetch(b, left);
        }
        sums.add(a_tiles[buffer], b_tiles[buffer]);
        buffer ^= 1;
        if (more) {
            a_part.put(a_tiles[buffer], a.along_k);
            b_part.put(b_tiles[buffer], b.along_k);
        }
        __syncthreads();
    }

    const u32 row = first_row + Sums<COLUMNS>::row();
    const u32 column = first_column + Sums<COLUMNS>::column();
    u64 element = split * extent.apart + static_cast<u64>(row - extent.first_row) * extent.stride + column;
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
        const bool exists = row + i / 4 * 32 + i % 4 < extent.end_row;
#pragma unroll
        for (u32 j = 0; j < Sums<COLUMNS>::QUADS; ++j) {
            const u32 here = column + 16 * j;
            if (exists && here < extent.columns) store(element + 16 * j, sums.sum[i][j], extent.columns - here);
        }
        element += i == 3 ? static_cast<u64>(29) * extent.stride : extent.stride;
    }
    // The next tile overwrites its place.
    __syncthreads();
}

// Stores of four neighbours at once where alignment permits, else of those that exist.
__device__ __forceinline__ void store_quad(float* at, const float4& quad, u32 present, bool vectors) {
    if (vectors) {
        *reinterpret_cast<float4*>(at) = quad;
        return;
    }
    at[0] = quad.x;
    if (present > 1) at[1] = quad.y;
    if (present > 2) at[2] = quad.z;
    if (present > 3) at[3] = quad.w;
}

__device__ __forceinline__ void store_quad(u16* at, const float4& quad, u32 present, bool vectors) {
    const u16 x = narrow(quad.x), y = narrow(quad.y), z = narrow(quad.z), w = narrow(quad.w);
    if (vectors) {
        uint2 words;
        words.x = x | static_cast<u32>(y) << 16;
        words.y = z | static_cast<u32>(w) << 16;
        *reinterpret_cast<uint2*>(at) = words;
        return;
    }
    at[0] = x;
    if (present > 1) at[1] = y;
    if (present > 2) at[2] = z;
    if (present > 3) at[3] = w;
}

template <typename Source>
__device__ __forceinline__ Operand<Source> operand_a(const typename Source::Element* a, u32 m, u32 k, u32 ta) {
    return Operand<Source>(a, m, k, ta == 0, true);
}

template <typename Source>
__device__ __forceinline__ Operand<Source> operand_b(const typename Source::Element* b, u32 n, u32 k, u32 tb) {
    return Operand<Source>(b, n, k, tb != 0, false);
}

template <u32 COLUMNS>
__device__ __forceinline__ void tiled(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 ta,
                                      u32 tb) {
    const bool vectors = is_aligned(c, 16) && n % 4 == 0;
    tile_products<COLUMNS>(operand_a<F32>(a, m, k, ta), operand_b<F32>(b, n, k, tb), {0, m, n, k, k, 1, n, 0},
                           [=](u64 element, const float4& quad, u32 present) {
                               store_quad(c + element, quad, present, vectors);
                           });
}

// c32 is the f32 sum beside the f16 one, or null.
template <u32 COLUMNS>
__device__ __forceinline__ void tiled(const u16* a, const u16* b, u16* c, float* c32, u32 m, u32 n, u32 k, u32 ta,
                                      u32 tb) {
    const bool vectors = is_aligned(c, 8) && is_aligned(c32, 16) && n % 4 == 0;
    tile_products<COLUMNS>(operand_a<F16>(a, m, k, ta), operand_b<F16>(b, n, k, tb), {0, m, n, k, k, 1, n, 0},
                           [=](u64 element, const float4& quad, u32 present) {
                               store_quad(c + element, quad, present, vectors);
                               if (c32) store_quad(c32 + element, quad, present, vectors);
                           });
}

// Partial sums lie in rows of a multiple of four, so that quads never straddle two.
__device__ __forceinline__ u32 padded(u32 n) { return (n + 3) / 4 * 4; }

// Every split's sums of rows first_row to first_row + rows, one split after the other.
template <typename Source>
__device__ __forceinline__ void split_k_ordered(const typename Source::Element* a, const typename Source::Element* b,
                                                float4* partials, u32 first_row, u32 rows, u32 m, u32 n, u32 k,
                                                u32 ta, u32 tb, u32 chunk, u32 splits) {
    const u64 apart = static_cast<u64>(rows) * padded(n);
    const Extent extent = {first_row, first_row + rows, n, k, chunk, splits, padded(n), apart};
    tile_products<128>(operand_a<Source>(a, m, k, ta), operand_b<Source>(b, n, k, tb), extent,
                       [=](u64 element, const float4& quad, u32) { partials[element / 4] = quad; });
}

// store(element, quad, present) as in tile_products, of the sums of partials in the order of their splits.
template <typename Store>
__device__ __forceinline__ void finish(const float4* partials, u32 first_row, u32 rows, u32 n, u32 splits,
                                       Store store) {
    const u32 across = padded(n) / 4;
    const u64 quads = static_cast<u64>(rows) * across;
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 q = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; q < quads; q += threads) {
        const u64 row = q / across;
        const u32 column = static_cast<u32>(q - row * across) * 4;
        float4 sum = partials[q];
#pragma unroll 1
        for (u32 split = 1; split < splits; split += IN_FLIGHT) {
            float4 part[IN_FLIGHT];
#pragma unroll
            for (u32 i = 0; i < IN_FLIGHT; ++i) {
                if (split + i < splits) part[i] = partials[(split + i) * quads + q];
            }
#pragma unroll
            for (u32 i = 0; i < IN_FLIGHT; ++i) {
                if (split + i >= splits) break;
                sum.x = __fadd_rn(sum.x, part[i].x);
                sum.y = __fadd_rn(sum.y, part[i].y);
                sum.z = __fadd_rn(sum.z, part[i].z);
                sum.w = __fadd_rn(sum.w, part[i].w);
            }
        }
        store((first_row + row) * n + column, sum, n - column);
    }
}

template <typename Source>
__device__ __forceinline__ void split_k_atomic(const typename Source::Element* a, const typename Source::Element* b,
                                               float* sums, u32 m, u32 n, u32 k, u32 ta, u32 tb, u32 chunk,
                                               u32 splits) {
    tile_products<128>(operand_a<Source>(a, m, k, ta), operand_b<Source>(b, n, k, tb),
                       {0, m, n, k, chunk, splits, n, 0}, [=](u64 element, const float4& quad, u32 present) {
                           atomicAdd(sums + element, quad.x);
                           if (present > 1) atomicAdd(sums + element + 1, quad.y);
                           if (present > 2) atomicAdd(sums + element + 2, quad.z);
                           if (present > 3) atomicAdd(sums + element + 3, quad.w);
                       });
}

ENTRY(1) matmul_tiled_128x256_f32(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 ta, u32 tb) {
    tiled<256>(a, b, c, m, n, k, ta, tb);
}

ENTRY(1) matmul_tiled_128x256_f16(const u16* a, const u16* b, u16* c, float* c32, u32 m, u32 n, u32 k, u32 ta,
                                  u32 tb) {
    tiled<256>(a, b, c, c32, m, n, k, ta, tb);
}

ENTRY(2) matmul_tiled_128x128_f32(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 ta, u32 tb) {
    tiled<128>(a, b, c, m, n, k, ta, tb);
}

ENTRY(2) matmul_tiled_128x128_f16(const u16* a, const u16* b, u16* c, float* c32, u32 m, u32 n, u32 k, u32 ta,
                                  u32 tb) {
    tiled<128>(a, b, c, c32, m, n, k, ta, tb);
}

ENTRY(2) matmul_split_k_ordered_f32(const float* a, const float* b, float4* partials, u32 first_row, u32 rows, u32 m,
                                    u32 n, u32 k, u32 ta, u32 tb, u32 chunk, u32 splits) {
    split_k_ordered<F32>(a, b, partials, first_row, rows, m, n, k, ta, tb, chunk, splits);
}

ENTRY(2) matmul_split_k_ordered_f16(const u16* a, const u16* b, float4* partials, u32 first_row, u32 rows, u32 m,
                                    u32 n, u32 k, u32 ta, u32 tb, u32 chunk, u32 splits) {
    split_k_ordered<F16>(a, b, partials, first_row, rows, m, n, k, ta, tb, chunk, splits);
}

ENTRY(1) matmul_split_k_ordered_finish_f32(const float4* partials, float* c, u32 first_row, u32 rows, u32 n,
                                           u32 splits) {
    const bool vectors = is_aligned(c, 16) && n % 4 == 0;
    finish(partials, first_row, rows, n, splits, [=](u64 element, const float4& quad, u32 present) {
        store_quad(c + element, quad, present, vectors);
    });
}

ENTRY(1) matmul_split_k_ordered_finish_f16(const float4* partials, u16* c, float* c32, u32 first_row, u32 rows,
                                           u32 n, u32 splits) {
    const bool vectors = is_aligned(c, 8) && is_aligned(c32, 16) && n % 4 == 0;
    finish(partials, first_row, rows, n, splits, [=](u64 element, const float4& quad, u32 present) {
        store_quad(c + element, quad, present, vectors);
        if (c32) store_quad(c32 + element, quad, present, vectors);
    });
}

ENTRY(2) matmul_split_k_atomic_f32(const float* a, const float* b, float* sums, u32 m, u32 n, u32 k, u32 ta, u32 tb,
                                   u32 chunk, u32 splits) {
    split_k_atomic<F32>(a, b, sums, m, n, k, ta, tb, chunk, splits);
}

ENTRY(2) matmul_split_k_atomic_f16(const u16* a, const u16* b, float* sums, u32 m, u32 n, u32 k, u32 ta, u32 tb,
                                   u32 chunk, u32 splits) {
    split_k_atomic<F16>(a, b, sums, m, n, k, ta, tb, chunk, splits);
}

ENTRY(1) matmul_split_k_atomic_finish_f16(const float* sums, u16* c, float* c32, u64 elements) {
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 e = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; e < elements; e += threads) {
        const float sum = sums[e];
        c[e] = narrow(sum);
        if (c32) c32[e] = sum;
    }
}
