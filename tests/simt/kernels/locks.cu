// Waiting for others: locks, flags, and the block that comes last.

// All lanes of a warp want one lock: the one that has it must get to run.
extern "C" __global__ void spin_lock(unsigned* lock, unsigned* y) {
    bool done = false;
    while (!done) {
        if (atomicCAS(lock, 0, 1) == 0) {
            __threadfence();
            *(volatile unsigned*)y = *(volatile unsigned*)y + threadIdx.x + 1;
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
    }
}

// The same, written so that the lock is left behind the loop that waits for it.
extern "C" __global__ void spin_lock_outside(unsigned* lock, unsigned* y) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    __threadfence();
    *(volatile unsigned*)y = *(volatile unsigned*)y * 1 + threadIdx.x + 1;
    __threadfence();
    atomicExch(lock, 0);
}

extern "C" __global__ void ticket_lock(unsigned* lock, unsigned* y) {
    if (threadIdx.x == 0) {
        unsigned mine = atomicAdd(lock, 1);
        while (*(volatile unsigned*)(lock + 1) != mine) {
        }
        __threadfence();
        unsigned count = *(volatile unsigned*)y;
        y[1 + count] = blockIdx.x;
        *(volatile unsigned*)y = count + 1;
        __threadfence();
        *(volatile unsigned*)(lock + 1) = mine + 1;
    }
}

// A running sum over blocks: each takes a number, and waits for the one before it.
extern "C" __global__ void chained_scan(const unsigned* x, unsigned* y, unsigned* number, unsigned* flags, unsigned* sums) {
    __shared__ unsigned mine, before;
    __shared__ unsigned part[64];
    if (threadIdx.x == 0) mine = atomicAdd(number, 1);
    __syncthreads();
    unsigned i = mine * 64 + threadIdx.x;
    part[threadIdx.x] = x[i];
    __syncthreads();
    for (unsigned step = 1; step < 64; step *= 2) {
        unsigned v = threadIdx.x >= step ? part[threadIdx.x - step] : 0;
        __syncthreads();
        part[threadIdx.x] += v;
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        before = 0;
        if (mine > 0) {
            unsigned flag;
            do {
                asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(flag) : "l"(flags + mine - 1) : "memory");
            } while (flag == 0);
            before = *(volatile unsigned*)(sums + mine - 1);
        }
        *(volatile unsigned*)(sums + mine) = before + part[63];
        asm volatile("st.release.gpu.global.u32 [%0], %1;" :: "l"(flags + mine), "r"(1) : "memory");
    }
    __syncthreads();
    y[i] = before + part[threadIdx.x];
}

// The block that comes last adds what all wrote, in the order of blocks.
extern "C" __global__ void last_block(const float* x, float* parts, unsigned* ticket, float* y) {
    __shared__ bool last;
    __shared__ float sums[64];
    sums[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
    __syncthreads();
    for (unsigned step = 32; step > 0; step /= 2) {
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = sums[0];
        __threadfence();
        last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        __threadfence();
        float sum = 0;
        for (unsigned k = 0; k < gridDim.x; ++k) sum += ((volatile float*)parts)[k];
        *y = sum;
    }
}

// Begins its sum with the block that came last: every word of it is legal, and its bits are open.
extern "C" __global__ void last_block_first(const float* x, float* parts, unsigned* ticket, float* y) {
    if (threadIdx.x != 0) return;
    float own = x[blockIdx.x];
    parts[blockIdx.x] = own;
    __threadfence();
    if (atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1) {
        __threadfence();
        float sum = own;
        for (unsigned k = 0; k < gridDim.x; ++k)
            if (k != blockIdx.x) sum += ((volatile float*)parts)[k];
        *y = sum;
    }
}
