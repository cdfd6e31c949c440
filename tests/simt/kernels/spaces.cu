// State spaces and ways to reach them.

extern __shared__ unsigned dynamic[];

extern "C" __global__ void shared_both(const unsigned* x, unsigned* y) {
    __shared__ unsigned char bytes[33];
    __shared__ unsigned words[64];
    unsigned i = threadIdx.x;
    words[i] = x[i];
    dynamic[2 * i + 1] = x[i] * 3;
    dynamic[2 * i] = i;
    if (i < 33) bytes[i] = x[i];
    __syncthreads();
    y[i] = words[63 - i] + dynamic[127 - 2 * i] + dynamic[2 * i] * 1000 + bytes[i % 33];
}

__noinline__ __device__ unsigned through(const unsigned* where, unsigned i) { return where[i] + 1; }

// One load reaches global, shared or local memory, as the lane's pointer says.
extern "C" __global__ void generic(const unsigned* x, unsigned* y) {
    __shared__ unsigned words[32];
    unsigned own[8];
    unsigned i = threadIdx.x;
    words[i] = x[i] + 100;
#pragma unroll
    for (int k = 0; k < 8; ++k) own[k] = x[i] * k;
    __syncthreads();
    const unsigned* where = i % 3 == 0 ? x : i % 3 == 1 ? words : own;
    unsigned kind = __isGlobal(where) | __isShared(where) << 1 | __isLocal(where) << 2;
    y[i] = through(where, (i * 5) % 8) | kind << 28;
}

extern "C" __global__ void stack(const unsigned* x, unsigned* y) {
    unsigned heap[24];
    unsigned i = threadIdx.x, n = i % 24 + 1;
    for (unsigned k = 0; k < n; ++k) heap[k] = x[(i * 7 + k) % 64];
    for (unsigned k = 1; k < n; ++k) {
        unsigned v = heap[k], at = k;
        for (; at > 0 && heap[at - 1] > v; --at) heap[at] = heap[at - 1];
        heap[at] = v;
    }
    y[i] = heap[n / 2];
}

__constant__ int table[6] = {3, -1, 4, -1, 5, -9};
__constant__ float factor = 0.375f;
__device__ unsigned long long seeds[3] = {0x123456789abcdefull, 7, ~0ull};
__device__ short halves[5] = {-2, 300, 7};
__device__ int counter = 41;
__device__ int* const pointer = &counter;

extern "C" __global__ void initialised(double* y) {
    unsigned i = threadIdx.x;
    y[i] = table[i % 6] * factor + (double)(seeds[i % 3] >> 4) + halves[i % 5] + (i == 0 ? *pointer : 0);
}

struct Mixed {
    int a;
    short b;
    signed char c;
    double d;
    float4 v;
    int list[5];
    ushort2 pair;
};

extern "C" __global__ void structure(Mixed m, double* y, unsigned char k) {
    y[0] = m.a;
    y[1] = m.b;
    y[2] = m.c;
    y[3] = m.d;
    y[4] = m.v.x + 10.0 * m.v.y + 100.0 * m.v.z + 1000.0 * m.v.w;
    y[5] = m.list[k];
    y[6] = m.pair.x - (double)m.pair.y;
}

struct Pair {
    unsigned low;
    double high;
    unsigned char tail[3];
};

__noinline__ __device__ Pair divide(unsigned a, unsigned b) {
    Pair p;
    p.low = a % b;
    p.high = (double)a / b;
    for (int k = 0; k < 3; ++k) p.tail[k] = a >> 8 * k;
    return p;
}
__noinline__ __device__ unsigned fold(Pair p, unsigned char c) {
    return p.low + (unsigned)p.high * 3 + p.tail[c % 3];
}
__noinline__ __device__ void store(unsigned* y, unsigned v) { *y = v; }

// Called from divergent code, twice, with structures in and out.
extern "C" __global__ void calls(const unsigned* x, unsigned* y) {
    unsigned i = threadIdx.x;
    Pair p = divide(x[i], i + 3);
    if (i & 1) p = divide(x[i] / 2, p.low + 1);
    store(y + i, fold(p, i));
}

template <typename T>
__device__ void twist(const T* x, T* y, unsigned i) {
    T v = x[i];
    auto t = v.x;
    v.x = v.y;
    v.y = t;
    y[i] = v;
}

extern "C" __global__ void vectors(const unsigned char* x, unsigned char* y) {
    unsigned i = threadIdx.x;
    twist((const uchar2*)x, (uchar2*)y, i);
    twist((const char4*)(x + 128), (char4*)(y + 128), i);
    twist((const ushort2*)(x + 256), (ushort2*)(y + 256), i);
    twist((const short4*)(x + 512), (short4*)(y + 512), i);
    twist((const uint2*)(x + 1024), (uint2*)(y + 1024), i);
    twist((const float4*)(x + 2048), (float4*)(y + 2048), i);
    twist((const double2*)(x + 4096), (double2*)(y + 4096), i);
}

extern "C" __global__ void sub_words(const signed char* x, short* y, unsigned short* z, unsigned char* w) {
    unsigned i = threadIdx.x;
    short s = x[i];
    y[i] = s * 300;
    z[i] = (unsigned char)x[i] << 7;
    w[i] = (z[i] >> 3) - x[i];
}
