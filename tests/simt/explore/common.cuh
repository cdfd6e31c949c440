// What the kernels beside it share. All are launched with four blocks of 64 threads, on 256 elements of each argument:
// `x` has numbers, all others begin as zeros. Where a finding must point is marked in the sources, `// race: KERNEL` at
// both accesses of a race and `// here: KERNEL` at the instruction of another reason; `../answers.rs` has the answers.
#define KERNEL extern "C" __global__ void __launch_bounds__(128)
#define ARGUMENTS const float* x, float* out, float* part, unsigned* counter
#define TID threadIdx.x
#define AT (blockIdx.x * blockDim.x + threadIdx.x)
#define EVERY_LANE 0xffffffffu

// What thread 0 gets of a tree over its block.
__device__ __forceinline__ float block_tree(float value) {
    __shared__ float s[128];
    s[TID] = value;
    __syncthreads();
    for (unsigned apart = blockDim.x / 2; apart > 0; apart /= 2) {
        if (TID < apart) s[TID] += s[TID + apart];
        __syncthreads();
    }
    return s[0];
}

// Four numbers whose sum rounds otherwise where it begins elsewhere.
__device__ __forceinline__ float lopsided(unsigned i) { return i % 2 == 1 ? 1.0f : i == 0 ? 1.0e8f : -1.0e8f; }

// All partials in their own order.
__device__ __forceinline__ float sum_of(const float* part) {
    float total = 0.0f;
    for (unsigned j = 0; j < gridDim.x; ++j) total += part[j];  // here: ticket_by_decrement
    return total;
}
