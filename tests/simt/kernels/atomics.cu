// Atomic operations of each class.

// What additions return is a permutation, in whichever order they come.
extern "C" __global__ void tickets(unsigned* counter, unsigned* y) {
    y[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1);
}

extern "C" __global__ void classes(const unsigned* x, unsigned* words, unsigned long long* wide) {
    unsigned v = x[blockIdx.x * blockDim.x + threadIdx.x];
    unsigned long long w = (unsigned long long)v * 0x100000001ull;
    atomicAdd(words + 0, v);
    atomicMin(words + 1, v);
    atomicMax(words + 2, v);
    atomicMin((int*)words + 3, (int)v);
    atomicMax((int*)words + 4, (int)v);
    atomicAnd(words + 5, v | 0x10010000);
    atomicOr(words + 6, v & 0x0ff0);
    atomicXor(words + 7, v);
    atomicSub((int*)words + 8, (int)v);
    atomicAdd(wide + 0, w);
    atomicMin(wide + 1, w);
    atomicMax((long long*)wide + 2, (long long)w);
    atomicAnd(wide + 3, w | 0x10010000);
    atomicOr(wide + 4, w & 0xf0f0);
    atomicXor(wide + 5, w);
}

extern "C" __global__ void classes_shared(const unsigned* x, unsigned* y) {
    __shared__ unsigned words[8];
    if (threadIdx.x < 8) words[threadIdx.x] = threadIdx.x == 1 || threadIdx.x == 5 ? ~0u : 0;
    __syncthreads();
    unsigned v = x[threadIdx.x];
    atomicAdd(words + 0, v);
    atomicMin(words + 1, v);
    atomicMax(words + 2, v);
    atomicMin((int*)words + 3, (int)v);
    atomicMax((int*)words + 4, (int)v);
    atomicAnd(words + 5, v | 0x10010000);
    atomicOr(words + 6, v & 0x0ff0);
    atomicXor(words + 7, v);
    __syncthreads();
    if (threadIdx.x < 8) y[threadIdx.x] = words[threadIdx.x];
}

// Counters that wrap: the old values are known as a multiset.
extern "C" __global__ void wrapping(unsigned* counters, unsigned* y, unsigned* z) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = atomicInc(counters, 9);
    z[i] = atomicDec(counters + 1, 6);
}

// Each thread learns who came before it: a chain through all of them.
extern "C" __global__ void chain(unsigned* head, unsigned* y, unsigned long long* wide, unsigned long long* z) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = atomicExch(head, i);
    z[i] = atomicExch(wide, i);
}

// Compare and swap, until nobody came between: a maximum of floats, and a product modulo 2^64.
extern "C" __global__ void swap_loops(const float* x, unsigned* most, unsigned long long* product) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned seen = *(volatile unsigned*)most;
    while (__uint_as_float(seen) < x[i]) {
        unsigned now = atomicCAS(most, seen, __float_as_uint(x[i]));
        if (now == seen) break;
        seen = now;
    }
    unsigned long long before = *(volatile unsigned long long*)product, now;
    while ((now = atomicCAS(product, before, before * (2 * i + 3))) != before) before = now;
}

extern "C" __global__ void half_word_swaps(unsigned short* most, const unsigned short* x) {
    unsigned short v = x[blockIdx.x * blockDim.x + threadIdx.x], seen = *(volatile unsigned short*)most, now;
    while (seen < v) {
        now = atomicCAS(most, seen, v);
        if (now == seen) break;
        seen = now;
    }
}

extern "C" __global__ void float_sum(const float* x, float* y) {
    atomicAdd(y, x[blockIdx.x * blockDim.x + threadIdx.x]);
}

extern "C" __global__ void double_sum(const double* x, double* y) {
    atomicAdd(y, x[blockIdx.x * blockDim.x + threadIdx.x]);
}

extern "C" __global__ void half_sum(const unsigned* x, unsigned* y) {
    asm volatile("red.global.add.noftz.f16x2 [%0], %1;" :: "l"(y), "r"(x[blockIdx.x * blockDim.x + threadIdx.x]) : "memory");
}

// Who writes last is open, but it is one of those that wrote.
extern "C" __global__ void racing_stores(unsigned* y) {
    y[threadIdx.x % 4] = blockIdx.x * blockDim.x + threadIdx.x;
}
