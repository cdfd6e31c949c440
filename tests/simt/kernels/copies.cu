// Asynchronous copies from global into shared memory.

__device__ unsigned at(const void* where) { return (unsigned)__cvta_generic_to_shared(where); }

// Three stages deep: while one is summed, two are on their way.
extern "C" __global__ void pipeline(const unsigned* x, unsigned* y, unsigned rounds) {
    __shared__ __align__(16) unsigned stage[3][128];
    unsigned i = threadIdx.x, sum = 0;
    for (unsigned k = 0; k < 2; ++k) {
        if (k < rounds)
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(at(&stage[k][4 * i])), "l"(x + 128 * k + 4 * i) : "memory");
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    for (unsigned k = 0; k < rounds; ++k) {
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        sum = sum * 3 + stage[k % 3][127 - 4 * i] + stage[k % 3][(4 * i + 5) % 128];
        if (k + 2 < rounds)
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(at(&stage[(k + 2) % 3][4 * i])), "l"(x + 128 * (k + 2) + 4 * i) : "memory");
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    y[i] = sum;
}

// Copies of 4 and 8 bytes, and one that is filled with zeros behind its source's end.
extern "C" __global__ void copies(const unsigned char* x, unsigned char* y) {
    __shared__ __align__(16) unsigned char stage[3][512];
    unsigned i = threadIdx.x;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(at(&stage[0][4 * i])), "l"(x + 4 * i) : "memory");
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" :: "r"(at(&stage[1][8 * i])), "l"(x + 8 * (31 - i)) : "memory");
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(at(&stage[2][16 * i])), "l"(x + 16 * i), "r"(i % 17) : "memory");
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    for (unsigned k = 0; k < 4; ++k) y[4 * i + k] = stage[0][(4 * i + k + 4) % 128];
    for (unsigned k = 0; k < 8; ++k) y[128 + 8 * i + k] = stage[1][8 * i + k];
    for (unsigned k = 0; k < 16; ++k) y[384 + 16 * i + k] = stage[2][16 * i + k];
}
