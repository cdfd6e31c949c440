// Barriers of a block, with what lies in its shared memory.

extern "C" __global__ void block_sum(const unsigned* x, unsigned* y) {
    __shared__ unsigned part[256];
    part[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    for (unsigned step = blockDim.x / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) y[blockIdx.x] = part[0];
}

extern "C" __global__ void transpose(const float* x, float* y, unsigned rows, unsigned columns) {
    __shared__ float tile[16][17];
    unsigned c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    if (r < rows && c < columns) tile[threadIdx.y][threadIdx.x] = x[r * columns + c];
    __syncthreads();
    c = blockIdx.y * 16 + threadIdx.x;
    r = blockIdx.x * 16 + threadIdx.y;
    if (r < columns && c < rows) y[r * rows + c] = tile[threadIdx.x][threadIdx.y];
}

// One barrier a step suffices, since what is written is not what is read.
extern "C" __global__ void double_buffer(const unsigned* x, unsigned* y, unsigned steps) {
    __shared__ unsigned line[2][96];
    unsigned i = threadIdx.x, n = blockDim.x;
    line[0][i] = x[i];
    for (unsigned step = 0; step < steps; ++step) {
        __syncthreads();
        const unsigned* from = line[step & 1];
        line[~step & 1][i] = from[(i + n - 1) % n] + 3 * from[i] + 5 * from[(i + 1) % n];
    }
    y[i] = line[steps & 1][i];
}

// Warp 0 fills one of two places while warp 1 empties the other: barriers 1 and 2 say "full", 3 and 4 "empty".
extern "C" __global__ void producer_consumer(const unsigned* x, unsigned* y, unsigned rounds) {
    __shared__ unsigned place[2][32];
    unsigned lane = threadIdx.x % 32, sum = 0;
    if (threadIdx.x < 32) {
        for (unsigned k = 0; k < rounds; ++k) {
            asm volatile("bar.sync %0, 64;" :: "r"(3 + k % 2) : "memory");
            place[k % 2][lane] = x[32 * k + lane];
            asm volatile("bar.arrive %0, 64;" :: "r"(1 + k % 2) : "memory");
        }
    } else {
        asm volatile("bar.arrive 3, 64;" ::: "memory");
        asm volatile("bar.arrive 4, 64;" ::: "memory");
        for (unsigned k = 0; k < rounds; ++k) {
            asm volatile("bar.sync %0, 64;" :: "r"(1 + k % 2) : "memory");
            sum = sum * 7 + place[k % 2][31 - lane];
            if (k + 2 < rounds) asm volatile("bar.arrive %0, 64;" :: "r"(3 + k % 2) : "memory");
        }
        y[lane] = sum;
    }
}

extern "C" __global__ void barrier_reductions(const unsigned* x, unsigned* y) {
    unsigned v = x[threadIdx.x], out = __syncthreads_count(v & 1);
    out |= __syncthreads_and(v > 0) << 16;
    out |= __syncthreads_and(v > 3) << 17;
    out |= __syncthreads_or(v > 1000) << 18;
    out |= __syncthreads_or(v == 3) << 19;
    y[threadIdx.x] = out;
}

// The arms meet at one barrier, each from its own instruction.
extern "C" __global__ void barrier_in_arms(unsigned* y) {
    __shared__ unsigned place[64];
    unsigned i = threadIdx.x;
    if (i % 3 == 0) {
        place[i] = 100 + i;
        asm volatile("barrier.sync 5;" ::: "memory");
        y[i] = place[63 - i];
    } else {
        place[i] = 200 + i;
        asm volatile("barrier.sync 5;" ::: "memory");
        y[i] = place[63 - i] + 1000;
    }
}
