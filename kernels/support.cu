// Helpers of a measurement, themselves never measured as algorithms: a probe of the read bandwidth that others are
// compared with, a delay that hides launch gaps, and a load that disturbs.

using u32 = unsigned int;
using u64 = unsigned long long;

// As in reduce.cu: room for all loads in flight, at any block size.
#define ENTRY extern "C" __global__ void __launch_bounds__(1024, 1)

__device__ __forceinline__ u32 fold(uint4 word) {
    return word.x ^ word.y ^ word.z ^ word.w;
}

// Reads `words` 16-byte words. The store keeps the loads alive: the compiler cannot know that it hardly ever
// happens. `sink` must be valid, since by chance it may.
ENTRY support_read(const uint4* x, u64 words, u32* sink) {
    constexpr u32 IN_FLIGHT = 8;
    constexpr u32 UNLIKELY = 0x9e3779b9u;

    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    u64 at = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    u32 folded = 0;
    for (; at + (IN_FLIGHT - 1) * threads < words; at += IN_FLIGHT * threads) {
        uint4 loaded[IN_FLIGHT];
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) loaded[i] = __ldg(x + at + i * threads);
#pragma unroll
        for (u32 i = 0; i < IN_FLIGHT; ++i) folded ^= fold(loaded[i]);
    }
    for (; at < words; at += threads) folded ^= fold(__ldg(x + at));
    if (folded == UNLIKELY) *sink = folded;
}

// Multiplies and adds in registers, `rounds` times FMA_CHAINS fused operations per thread: a probe of the f32 peak.
// As with support_read, the store keeps the work alive.
ENTRY support_fma(u32 rounds, u32* sink) {
    constexpr u32 FMA_CHAINS = 16;
    constexpr u32 UNLIKELY = 0x7f812345u;

    float chain[FMA_CHAINS];
#pragma unroll
    for (u32 i = 0; i < FMA_CHAINS; ++i) chain[i] = static_cast<float>(threadIdx.x + i);
    for (u32 round = 0; round < rounds; ++round) {
#pragma unroll
        for (u32 i = 0; i < FMA_CHAINS; ++i) chain[i] = __fmaf_rn(chain[i], 0.9990234375f, 0.5f);
    }
    float sum = 0;
#pragma unroll
    for (u32 i = 0; i < FMA_CHAINS; ++i) sum = __fadd_rn(sum, chain[i]);
    if (__float_as_uint(sum) == UNLIKELY) *sink = UNLIKELY;
}

__device__ __forceinline__ u64 global_nanoseconds() {
    u64 now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}

// Occupies the stream for about `nanoseconds`, so that what is enqueued meanwhile starts without launch gaps. A
// round takes more than a nanosecond, so the bound cuts nothing short, yet ends the kernel if the timer stands.
ENTRY support_delay(u64 nanoseconds) {
    const u64 start = global_nanoseconds();
    for (u64 round = 0; round < nanoseconds; ++round) {
        if (global_nanoseconds() - start >= nanoseconds) break;
    }
}

// A linear congruential step and a xorshift: a chain of integer work that the next word cannot skip.
__device__ __forceinline__ u32 mix(u32 value, u32 seed) {
    constexpr u32 STEPS = 4;
#pragma unroll
    for (u32 step = 0; step < STEPS; ++step) {
        value = value * 1664525u + seed;
        value ^= value >> 13;
    }
    return value;
}

// Traffic for a second stream: every round reads, mixes and writes the whole buffer. A word always belongs to the
// same thread, so that the load itself races with nothing.
ENTRY support_load(uint4* buffer, u64 words, u32 rounds, u32 seed) {
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    const u64 first = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (u32 round = 0; round < rounds; ++round) {
        for (u64 at = first; at < words; at += threads) {
            uint4 word = buffer[at];
            word.x = mix(word.x, seed + round);
            word.y = mix(word.y, word.x);
            word.z = mix(word.z, word.y);
            word.w = mix(word.w, word.z);
            buffer[at] = word;
        }
    }
}
