// What kernels are written for, right and with one thing missing.
#include "common.cuh"

KERNEL elementwise(ARGUMENTS) { out[AT] = x[AT] * 2.0f; }

KERNEL tree(ARGUMENTS) {
    const float sum = block_tree(x[AT]);
    if (TID == 0) out[blockIdx.x] = sum;
}

KERNEL shared_histogram(ARGUMENTS) {
    __shared__ unsigned bins[2];
    if (TID < 2) bins[TID] = 0;
    __syncthreads();
    atomicAdd(&bins[x[AT] > 0.0f], 1u);
    __syncthreads();
    if (TID < 2) atomicAdd(&counter[TID], bins[TID]);
}

KERNEL transpose(ARGUMENTS) {
    __shared__ float tile[8][9];
    tile[TID / 8][TID % 8] = x[AT];
    __syncthreads();
    out[AT] = tile[TID % 8][TID / 8];
}

KERNEL scan(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    for (unsigned apart = 1; apart < 64; apart *= 2) {
        __syncthreads();
        const float before = TID >= apart ? s[TID - apart] : 0.0f;
        __syncthreads();
        s[TID] += before;
    }
    out[AT] = s[TID];
}

KERNEL softmax(ARGUMENTS) {
    const float e = __expf(x[AT] * 0.001f);
    const float sum = block_tree(e);
    out[AT] = e / sum;
}

KERNEL compaction(ARGUMENTS) {
    if (x[AT] > 0.0f) out[atomicAdd(counter, 1u)] = x[AT];  // here: compaction
}

// Whoever is positive goes to the front of its block, in order.
KERNEL compaction_by_scan(ARGUMENTS) {
    __shared__ unsigned before[64];
    const bool kept = x[AT] > 0.0f;
    before[TID] = kept;
    for (unsigned apart = 1; apart < 64; apart *= 2) {
        __syncthreads();
        const unsigned more = TID >= apart ? before[TID - apart] : 0;
        __syncthreads();
        before[TID] += more;
    }
    if (kept) out[blockIdx.x * 64 + before[TID] - 1] = x[AT];
}

KERNEL transpose_without_barrier(ARGUMENTS) {
    __shared__ float tile[8][9];
    tile[TID / 8][TID % 8] = 0.0f;
    __syncthreads();
    tile[TID / 8][TID % 8] = x[AT];  // race: transpose_without_barrier
    out[AT] = tile[TID % 8][TID / 8];  // race: transpose_without_barrier
}

KERNEL scan_with_one_barrier(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    for (unsigned apart = 1; apart < 64; apart *= 2) {
        __syncthreads();
        const float before = TID >= apart ? s[TID - apart] : 0.0f;  // race: scan_with_one_barrier
        s[TID] += before;  // race: scan_with_one_barrier
    }
    out[AT] = s[TID];
}

// Sums of eight neighbours each.
KERNEL segments_in_order(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    __syncthreads();
    if (TID < 8) {
        float sum = 0.0f;
        for (unsigned j = 0; j < 8; ++j) sum += s[TID * 8 + j];
        out[blockIdx.x * 8 + TID] = sum;
    }
}

KERNEL segments_by_atomics(ARGUMENTS) {
    atomicAdd(&out[AT / 8], x[AT]);  // here: segments_by_atomics
}

KERNEL stencil(ARGUMENTS) {
    const float left = AT > 0 ? x[AT - 1] : 0.0f, right = AT < 255 ? x[AT + 1] : 0.0f;
    out[AT] = left + 2.0f * x[AT] + right;
}

KERNEL stencil_in_place(ARGUMENTS) {
    out[AT] = (AT > 0 ? out[AT - 1] : 0.0f) + x[AT];  // race: stencil_in_place
}

// Tiles of 8 by 8 of a 16 by 16 matrix, times itself.
template <bool SECOND>
__device__ __forceinline__ void product(const float* x, float* out) {
    __shared__ float a[8][8], b[8][8];
    const unsigned row = TID / 8, column = TID % 8, down = blockIdx.x / 2 * 8, right = blockIdx.x % 2 * 8;
    float sum = 0.0f;
    for (unsigned k = 0; k < 16; k += 8) {
        a[row][column] = x[(down + row) * 16 + k + column];  // race: product_with_one_barrier
        b[row][column] = x[(k + row) * 16 + right + column];  // race: product_with_one_barrier
        __syncthreads();
        for (unsigned j = 0; j < 8; ++j) sum += a[row][j] * b[j][column];  // race: product_with_one_barrier
        if (SECOND) __syncthreads();
    }
    out[(down + row) * 16 + right + column] = sum;
}

KERNEL product_of_tiles(ARGUMENTS) { product<true>(x, out); }

KERNEL product_with_one_barrier(ARGUMENTS) { product<false>(x, out); }

// A network that sorts the numbers of a block.
KERNEL bitonic_sort(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    __syncthreads();
    for (unsigned size = 2; size <= 64; size *= 2) {
        for (unsigned apart = size / 2; apart > 0; apart /= 2) {
            const unsigned other = TID ^ apart;
            if (other > TID && (s[TID] > s[other]) == ((TID & size) == 0)) {
                const float mine = s[TID];
                s[TID] = s[other];
                s[other] = mine;
            }
            __syncthreads();
        }
    }
    out[AT] = s[TID];
}

KERNEL histogram_not_zeroed(ARGUMENTS) {
    __shared__ unsigned bins[2];
    atomicAdd(&bins[x[AT] > 0.0f], 1u);  // here: histogram_not_zeroed
    __syncthreads();
    if (TID < 2) atomicAdd(&counter[TID], bins[TID]);
}
