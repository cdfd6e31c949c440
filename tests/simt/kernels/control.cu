// Control flow: lanes of one warp that go different ways and meet again.

extern "C" __global__ void branch(const unsigned* x, unsigned* y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (x[i] & 1) {
        y[i] = 3 * x[i] + 1;
    } else {
        y[i] = x[i] / 2;
        if (x[i] & 2) y[i] ^= i;
    }
}

// Trip counts that differ in both loops.
extern "C" __global__ void nested_loops(unsigned* y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, sum = i;
#pragma unroll 1
    for (unsigned a = 0; a < i % 7; ++a) {
#pragma unroll 1
        for (unsigned b = 0; b < a + i % 3; ++b) sum = sum * 31 + b;
        sum ^= a;
    }
    y[i] = sum;
}

extern "C" __global__ void early_return(const int* x, int* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    if (x[i] <= 0) {
        y[i] = -1;
        return;
    }
    unsigned steps = 0;
    for (unsigned v = x[i]; v != 1; ++steps) v = v & 1 ? 3 * v + 1 : v / 2;
    y[i] = steps;
}

extern "C" __global__ void break_and_continue(const unsigned* x, unsigned* y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, sum = 0;
#pragma unroll 1
    for (unsigned k = 0; k < n; ++k) {
        unsigned v = x[(i + k) % n];
        if (v % 5 == 0) continue;
        if (v % 11 == 0) break;
        sum += v;
    }
    y[i] = sum;
}

// Each lane leaves the loop when its own division comes out even.
extern "C" __global__ void divisors(const unsigned* x, unsigned* y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, a = x[2 * i], b = x[2 * i + 1];
    while (b) {
        unsigned r = a % b;
        a = b;
        b = r;
    }
    y[i] = a;
}

extern "C" __global__ void choose(const unsigned* x, unsigned* y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = x[i];
    switch (v % 9) {
        case 0: v += 17; break;
        case 1: v = __brev(v); break;
        case 2: v *= 5;  // falls through
        case 3: v ^= 0x55; break;
        case 4: v = __popc(v); break;
        case 5: v = v << 3 | v >> 29; break;
        case 6: y[i] = 6; return;
        case 7: v = ~v; break;
        default: v -= 1;
    }
    y[i] = v;
}
