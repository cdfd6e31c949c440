// Small whole algorithms.

extern "C" __global__ void histogram(const unsigned char* x, unsigned* y, unsigned n) {
    __shared__ unsigned bins[64];
    if (threadIdx.x < 64) bins[threadIdx.x] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&bins[x[i] % 64], 1);
    __syncthreads();
    if (threadIdx.x < 64) atomicAdd(&y[threadIdx.x], bins[threadIdx.x]);
}

extern "C" __global__ void scan(const unsigned* x, unsigned* y) {
    __shared__ unsigned sums[32];
    unsigned i = threadIdx.x, lane = i % 32, v = x[i];
    for (unsigned step = 1; step < 32; step *= 2) {
        unsigned other = __shfl_up_sync(~0u, v, step);
        if (lane >= step) v += other;
    }
    if (lane == 31) sums[i / 32] = v;
    __syncthreads();
    if (i < 32) {
        unsigned s = i < blockDim.x / 32 ? sums[i] : 0;
        for (unsigned step = 1; step < 32; step *= 2) {
            unsigned other = __shfl_up_sync(~0u, s, step);
            if (lane >= step) s += other;
        }
        sums[i] = s;
    }
    __syncthreads();
    y[i] = v + (i >= 32 ? sums[i / 32 - 1] : 0);
}

// Keeps the odd ones, a warp taking its room with one addition: their order is open, their set is not.
extern "C" __global__ void compact(const unsigned* x, unsigned* y, unsigned* count, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    bool keep = i < n && x[i] & 1;
    unsigned kept = __ballot_sync(~0u, keep), start = 0;
    if (lane == 0) start = atomicAdd(count, __popc(kept));
    start = __shfl_sync(~0u, start, 0);
    unsigned before;
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(before));
    if (keep) y[start + __popc(kept & before)] = x[i];
}

// A row a block.
extern "C" __global__ void softmax(const float* x, float* y, unsigned columns) {
    __shared__ float parts[4];
    const float* row = x + blockIdx.x * columns;
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float most = -__int_as_float(0x7f800000);
    for (unsigned c = threadIdx.x; c < columns; c += blockDim.x) most = fmaxf(most, row[c]);
    for (unsigned step = 16; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    if (lane == 0) parts[warp] = most;
    __syncthreads();
    most = fmaxf(fmaxf(parts[0], parts[1]), fmaxf(parts[2], parts[3]));
    __syncthreads();
    float sum = 0;
    for (unsigned c = threadIdx.x; c < columns; c += blockDim.x) sum += __expf(row[c] - most);
    for (unsigned step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) parts[warp] = sum;
    __syncthreads();
    sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    for (unsigned c = threadIdx.x; c < columns; c += blockDim.x)
        y[blockIdx.x * columns + c] = __fdiv_rn(__expf(row[c] - most), sum);
}

#define SPECIAL(name) [] { unsigned v; asm volatile("mov.u32 %0, %%" name ";" : "=r"(v)); return v; }()

// Twenty words a thread.
extern "C" __global__ void specials(unsigned* y) {
    unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned* to = y + 20 * (b * blockDim.x * blockDim.y * blockDim.z + t);
    to[0] = threadIdx.x, to[1] = threadIdx.y, to[2] = threadIdx.z;
    to[3] = blockDim.x, to[4] = blockDim.y, to[5] = blockDim.z;
    to[6] = blockIdx.x, to[7] = blockIdx.y, to[8] = blockIdx.z;
    to[9] = gridDim.x, to[10] = gridDim.y, to[11] = gridDim.z;
    to[12] = SPECIAL("laneid");
    to[13] = SPECIAL("lanemask_eq");
    to[14] = SPECIAL("lanemask_le");
    to[15] = SPECIAL("lanemask_lt");
    to[16] = SPECIAL("lanemask_ge");
    to[17] = SPECIAL("lanemask_gt");
    to[18] = SPECIAL("warpid") < SPECIAL("nwarpid");
    to[19] = SPECIAL("smid") < SPECIAL("nsmid");
}

extern "C" __global__ void clocks(long long* y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    long long a = clock64(), c;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(c) :: "memory");
    for (unsigned k = 0; k <= threadIdx.x % 5; ++k) __threadfence();
    long long b = clock64(), d;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(d) :: "memory");
    y[2 * i] = b - a;
    y[2 * i + 1] = d - c;
}
