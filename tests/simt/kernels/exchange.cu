// Exchanges between the lanes of a warp.

// Bit 31 says whether the source lay within the segment.
#define SHUFFLE(mode, value, b, c)                                                                                   \
    [&] {                                                                                                            \
        unsigned to, inside;                                                                                         \
        asm volatile("{.reg .pred p; shfl.sync." mode ".b32 %0|p, %2, %3, %4, 0xffffffff; selp.u32 %1, 1, 0, p;}"    \
                     : "=r"(to), "=r"(inside) : "r"(value), "r"(b), "r"(c));                                         \
        return to | inside << 31;                                                                                    \
    }()

// Every lane's distance, or source, is its own; widths of 32, 16 and 8, and a clamp of 20.
extern "C" __global__ void shuffles(const unsigned* x, unsigned* y) {
    unsigned lane = threadIdx.x, v = x[lane] & 0x7fffffff, b = x[lane + 32];
    unsigned controls[4] = {0, 16 << 8, 24 << 8, 20};
#pragma unroll
    for (unsigned k = 0; k < 4; ++k) {
        unsigned up = k == 3 ? 20 : controls[k], other = k == 3 ? 20 : controls[k] | 31;
        y[(4 * k + 0) * 32 + lane] = SHUFFLE("up", v, b, up);
        y[(4 * k + 1) * 32 + lane] = SHUFFLE("down", v, b, other);
        y[(4 * k + 2) * 32 + lane] = SHUFFLE("bfly", v, b, other);
        y[(4 * k + 3) * 32 + lane] = SHUFFLE("idx", v, b, other);
    }
}

// Only the lanes of `members` come; they sum by doubling steps within groups of four.
extern "C" __global__ void partial_shuffle(const unsigned* x, unsigned* y, unsigned members) {
    unsigned lane = threadIdx.x, v = x[lane];
    if (members >> lane & 1) {
        v += __shfl_xor_sync(members, v, 1);
        v += __shfl_xor_sync(members, v, 2);
    }
    y[lane] = v;
}

extern "C" __global__ void votes(const unsigned* x, unsigned* y) {
    unsigned i = blockIdx.x * 32 + threadIdx.x, v = x[i], out;
    out = __any_sync(~0u, v & 1) | __all_sync(~0u, v & 1) << 1 | __uni_sync(~0u, v & 1) << 2;
    y[2 * i] = out;
    // The odd lanes vote by themselves.
    y[2 * i + 1] = threadIdx.x & 1 ? __ballot_sync(0xaaaaaaaa, v > 7) : 0;
}

extern "C" __global__ void matches(const unsigned* x, unsigned* y) {
    unsigned lane = threadIdx.x, v = x[lane];
    unsigned long long wide = (unsigned long long)(v & 1) << 40 | (v & 2);
    int all, none;
    y[lane] = __match_any_sync(~0u, v);
    y[32 + lane] = __match_any_sync(~0u, wide);
    unsigned mask = __match_all_sync(~0u, v >> 8, &all);
    y[64 + lane] = all ? mask : 1;
    mask = __match_all_sync(~0u, v, &none);
    y[96 + lane] = none ? 1 : mask;
}

extern "C" __global__ void reductions(const unsigned* x, unsigned* y, unsigned members) {
    unsigned lane = threadIdx.x, v = x[lane];
    if (members >> lane & 1) {
        y[0 * 32 + lane] = __reduce_add_sync(members, v);
        y[1 * 32 + lane] = __reduce_min_sync(members, v);
        y[2 * 32 + lane] = __reduce_max_sync(members, v);
        y[3 * 32 + lane] = __reduce_min_sync(members, (int)v);
        y[4 * 32 + lane] = __reduce_max_sync(members, (int)v);
        y[5 * 32 + lane] = __reduce_and_sync(members, v);
        y[6 * 32 + lane] = __reduce_or_sync(members, v);
        y[7 * 32 + lane] = __reduce_xor_sync(members, v);
    }
}

// Both arms work in turn, and wait for each other from different instructions.
extern "C" __global__ void arms_in_turn(unsigned* y) {
    __shared__ volatile unsigned place[32];
    unsigned lane = threadIdx.x, sum = 0;
    if (lane < 12) {
        for (unsigned k = 0; k < 5; ++k) {
            place[lane] = lane * 10 + k;
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
            sum += place[12 + lane];
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
        }
    } else {
        for (unsigned k = 0; k < 5; ++k) {
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
            place[lane] = place[(lane - 12) % 12] * 3;
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
            asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
            sum += place[lane];
        }
    }
    y[lane] = sum;
}

// Arms that shuffle among themselves only.
extern "C" __global__ void arms_apart(unsigned* y) {
    unsigned lane = threadIdx.x, v = lane * lane;
    if (lane & 1) {
        for (unsigned k = 0; k < 3; ++k) v += __shfl_xor_sync(0xaaaaaaaa, v, 2);
    } else {
        for (unsigned k = 0; k < 4; ++k) v = v * 3 + __shfl_xor_sync(0x55555555, v, 4);
    }
    y[lane] = v;
}

// What is active is up to the hardware; but a lane is itself, and lanes of the other arm are not.
extern "C" __global__ void active(unsigned* y) {
    unsigned lane = threadIdx.x;
    if (lane % 3 == 1) {
        y[lane] = __activemask();
    } else {
        y[lane] = __activemask();
        y[lane] |= 0;
    }
}
