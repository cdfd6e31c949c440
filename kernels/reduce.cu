// The entries of `reduce`: sums of the rows of a matrix in five ways that differ only in who adds which tiles, in
// what order partial sums meet, and so in what they can promise. The tree inside a block is in reduce.cuh.
#include "reduce.cuh"

// Any multiple of 32 threads is a legal block, so ptxas must not use more registers than 1024 threads can have. It
// need not make room for a second such block: in that attempt it takes turns with the loads, or spills.
#define ENTRY extern "C" __global__ void __launch_bounds__(1024, 1)

// How a row's tiles are shared out: in runs of a fixed length, the same on every device ...
__device__ __forceinline__ Tiles chunk_of(u64 tiles, u32 chunk, u32 tiles_per_chunk) {
    const u64 first = static_cast<u64>(chunk) * tiles_per_chunk;
    const u64 left = first < tiles ? tiles - first : 0;
    return {first, 1, left < tiles_per_chunk ? left : tiles_per_chunk};
}

// ... or in turn, as many ways as there are blocks.
__device__ __forceinline__ Tiles share_of(u64 tiles, u32 block, u32 blocks) {
    return {block, blocks, block < tiles ? (tiles - 1 - block) / blocks + 1 : 0};
}

// Calls sum(row, part) for this block's items: rows * parts of them, over whatever grid was launched.
template <typename Sum>
__device__ __forceinline__ void for_items(u64 rows, u32 parts, Sum sum) {
    for (u64 item = blockIdx.x; item < rows * parts; item += gridDim.x) {
        const u64 row = item / parts;
        sum(row, static_cast<u32>(item - row * parts));
    }
}

// The sum of a row's partials, in their own order whoever computed them; valid in thread 0.
__device__ __forceinline__ float combine(const float* partials, u32 parts) {
    return block_sum<Partials>(partials, parts, {0, 1, tiles_in<Partials>(parts)});
}

// One launch: the block that finishes a row's last part combines the row. Which block that is varies, what it
// computes does not.
template <typename Source, typename TilesOf>
__device__ __forceinline__ void reduce_and_combine(const typename Source::Element* x, float* out, float* partials,
                                                   u32* tickets, u64 rows, u64 columns, u32 parts,
                                                   TilesOf tiles_of) {
    __shared__ bool last;

    const u64 tiles = tiles_in<Source>(columns);
    for_items(rows, parts, [&](u64 row, u32 part) {
        const float sum = block_sum<Source>(x + row * columns, columns, tiles_of(tiles, part));
        // Combining a single partial would return it unchanged.
        if (parts == 1) {
            if (threadIdx.x == 0) out[row] = sum;
            return;
        }
        if (threadIdx.x == 0) {
            partials[row * parts + part] = sum;
            __threadfence();
            // Wraps to zero at the last draw, so that the next launch finds its tickets as this one did.
            last = atomicInc(&tickets[row], parts - 1) == parts - 1;
            __threadfence();
        }
        __syncthreads();
        if (last) {
            const float total = combine(partials + row * parts, parts);
            if (threadIdx.x == 0) out[row] = total;
        }
    });
}

template <typename Source>
__device__ __forceinline__ void fixed_tree(const typename Source::Element* x, float* out, float* partials,
                                           u32* tickets, u64 rows, u64 columns, u32 chunks, u32 tiles_per_chunk) {
    reduce_and_combine<Source>(x, out, partials, tickets, rows, columns, chunks, [=](u64 tiles, u32 chunk) {
        return chunk_of(tiles, chunk, tiles_per_chunk);
    });
}

template <typename Source>
__device__ __forceinline__ void ticket(const typename Source::Element* x, float* out, float* partials, u32* tickets,
                                       u64 rows, u64 columns, u32 blocks) {
    reduce_and_combine<Source>(x, out, partials, tickets, rows, columns, blocks, [=](u64 tiles, u32 block) {
        return share_of(tiles, block, blocks);
    });
}

template <typename Source>
__device__ __forceinline__ void two_pass(const typename Source::Element* x, float* partials, u64 rows, u64 columns,
                                         u32 blocks) {
    const u64 tiles = tiles_in<Source>(columns);
    for_items(rows, blocks, [&](u64 row, u32 block) {
        const float sum = block_sum<Source>(x + row * columns, columns, share_of(tiles, block, blocks));
        if (threadIdx.x == 0) partials[row * blocks + block] = sum;
    });
}

template <typename Source>
__device__ __forceinline__ void atomic_block(const typename Source::Element* x, float* out, u64 rows, u64 columns,
                                             u32 blocks) {
    const u64 tiles = tiles_in<Source>(columns);
    for_items(rows, blocks, [&](u64 row, u32 block) {
        const float sum = block_sum<Source>(x + row * columns, columns, share_of(tiles, block, blocks));
        if (threadIdx.x == 0) atomicAdd(&out[row], sum);
    });
}

template <typename Source>
__device__ __forceinline__ void atomic_element(const typename Source::Element* x, float* out, u64 rows,
                                               u64 columns) {
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 e = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; e < rows * columns; e += threads) {
        atomicAdd(&out[e / columns], Source::one(x + e));
    }
}

ENTRY reduce_fixed_tree_f32(const float* x, float* out, float* partials, u32* tickets, u64 rows, u64 columns,
                            u32 chunks, u32 tiles_per_chunk) {
    fixed_tree<F32>(x, out, partials, tickets, rows, columns, chunks, tiles_per_chunk);
}

ENTRY reduce_fixed_tree_f16(const unsigned short* x, float* out, float* partials, u32* tickets, u64 rows,
                            u64 columns, u32 chunks, u32 tiles_per_chunk) {
    fixed_tree<F16>(x, out, partials, tickets, rows, columns, chunks, tiles_per_chunk);
}

ENTRY reduce_ticket_f32(const float* x, float* out, float* partials, u32* tickets, u64 rows, u64 columns,
                        u32 blocks) {
    ticket<F32>(x, out, partials, tickets, rows, columns, blocks);
}

ENTRY reduce_ticket_f16(const unsigned short* x, float* out, float* partials, u32* tickets, u64 rows, u64 columns,
                        u32 blocks) {
    ticket<F16>(x, out, partials, tickets, rows, columns, blocks);
}

ENTRY reduce_two_pass_f32(const float* x, float* partials, u64 rows, u64 columns, u32 blocks) {
    two_pass<F32>(x, partials, rows, columns, blocks);
}

ENTRY reduce_two_pass_f16(const unsigned short* x, float* partials, u64 rows, u64 columns, u32 blocks) {
    two_pass<F16>(x, partials, rows, columns, blocks);
}

ENTRY reduce_two_pass_finish(const float* partials, float* out, u64 rows, u32 blocks) {
    for_items(rows, 1, [&](u64 row, u32) {
        const float sum = combine(partials + row * blocks, blocks);
        if (threadIdx.x == 0) out[row] = sum;
    });
}

ENTRY reduce_atomic_block_f32(const float* x, float* out, u64 rows, u64 columns, u32 blocks) {
    atomic_block<F32>(x, out, rows, columns, blocks);
}

ENTRY reduce_atomic_block_f16(const unsigned short* x, float* out, u64 rows, u64 columns, u32 blocks) {
    atomic_block<F16>(x, out, rows, columns, blocks);
}

ENTRY reduce_atomic_element_f32(const float* x, float* out, u64 rows, u64 columns) {
    atomic_element<F32>(x, out, rows, columns);
}

ENTRY reduce_atomic_element_f16(const unsigned short* x, float* out, u64 rows, u64 columns) {
    atomic_element<F16>(x, out, rows, columns);
}
