// Atomic operations of every class, and locks made of them.
#include "common.cuh"

KERNEL histogram(ARGUMENTS) { atomicAdd(&counter[x[AT] > 0.0f], 1u); }

KERNEL largest(ARGUMENTS) { atomicMax(reinterpret_cast<int*>(counter), static_cast<int>(x[AT])); }

KERNEL parity(ARGUMENTS) { atomicXor(counter, __float_as_uint(x[AT])); }

KERNEL limited(ARGUMENTS) { atomicInc(counter, 100u); }

KERNEL float_atomic(ARGUMENTS) { atomicAdd(out, x[AT]); }  // here: float_atomic

KERNEL float_atomic_in_shared(ARGUMENTS) {
    __shared__ float sum;
    if (TID == 0) sum = 0.0f;
    __syncthreads();
    atomicAdd(&sum, x[AT]);  // here: float_atomic_in_shared
    __syncthreads();
    if (TID == 0) out[blockIdx.x] = sum;
}

KERNEL exchange(ARGUMENTS) { atomicExch(out, x[AT]); }  // here: exchange

KERNEL mixed_classes(ARGUMENTS) {
    if (TID == 0) {
        if (blockIdx.x % 2 == 0) atomicAdd(counter, 3u); else atomicMax(counter, 4u);  // here: mixed_classes
    }
}

KERNEL other_limits(ARGUMENTS) { atomicInc(counter, 5u + blockIdx.x); }  // here: other_limits

KERNEL largest_float_by_cas(ARGUMENTS) {
    unsigned* place = reinterpret_cast<unsigned*>(out);
    unsigned known = *reinterpret_cast<volatile unsigned*>(place);  // here: largest_float_by_cas
    while (__uint_as_float(known) < x[AT]) {
        const unsigned before = atomicCAS(place, known, __float_as_uint(x[AT]));  // here: largest_float_by_cas
        if (before == known) break;
        known = before;
    }
}

KERNEL locked_sum(ARGUMENTS) {
    if (TID != 0) return;
    while (atomicCAS(counter, 0u, 1u) != 0u) {}  // here: locked_sum
    __threadfence();
    *reinterpret_cast<volatile float*>(out) = *reinterpret_cast<volatile float*>(out) + lopsided(blockIdx.x);  // here: locked_sum
    __threadfence();
    atomicExch(counter, 0u);  // here: locked_sum
}

KERNEL block_scope(ARGUMENTS) { atomicAdd_block(counter, 1u); }  // race: block_scope

KERNEL atomic_and_plain(ARGUMENTS) {
    atomicAdd(&counter[0], 1u);  // race: atomic_and_plain
    if (AT == 5) out[0] = counter[0];  // race: atomic_and_plain
}

// Every class that commutes, on one place, of all threads.
#define COMMUTING(name, operation) KERNEL name(ARGUMENTS) { operation; }
COMMUTING(lowest, atomicMin(reinterpret_cast<int*>(counter), static_cast<int>(x[AT])))
COMMUTING(all_bits, atomicAnd(counter, __float_as_uint(x[AT])))
COMMUTING(any_bit, atomicOr(counter, __float_as_uint(x[AT])))
COMMUTING(downwards, atomicDec(counter, 100u))
COMMUTING(long_sum, atomicAdd(reinterpret_cast<unsigned long long*>(counter), 1ull << AT % 40))
COMMUTING(up_and_down, AT % 3 == 0 ? atomicAdd(counter, AT) : atomicSub(counter, AT))
COMMUTING(system_scope, atomicAdd_system(counter, 1u))
COMMUTING(block_scope_within_a_block, atomicAdd_block(&counter[blockIdx.x], 1u))
COMMUTING(lowest_of_positive, atomicMax(reinterpret_cast<int*>(out), __float_as_int(fabsf(x[AT]))))

KERNEL classes_apart(ARGUMENTS) {
    atomicAdd(&counter[0], 1u);
    atomicMax(&counter[1], AT);
    atomicXor(&counter[2], AT);
}

// Minima of floats as integers: of negative numbers it is a maximum, which is another class.
KERNEL lowest_by_two_classes(ARGUMENTS) {
    if (x[AT] >= 0.0f) {
        atomicMin(reinterpret_cast<int*>(out), __float_as_int(x[AT]));  // here: lowest_by_two_classes
    } else {
        atomicMax(reinterpret_cast<unsigned*>(out), __float_as_uint(x[AT]));  // here: lowest_by_two_classes
    }
}

KERNEL sum_of_doubles(ARGUMENTS) {
    atomicAdd(reinterpret_cast<double*>(out), static_cast<double>(x[AT]) / 3.0);  // here: sum_of_doubles
}

// Numbers from 1 to 1.25 of half precision, two at once.
KERNEL sum_of_half_pairs(ARGUMENTS) {
    const unsigned pair = (0x3c00u + AT) * 0x10001u;
    asm volatile("red.global.add.noftz.f16x2 [%0], %1;" ::"l"(counter), "r"(pair) : "memory");  // here: sum_of_half_pairs
}

KERNEL exchange_of_the_same(ARGUMENTS) { atomicExch(out, 7.0f); }  // here: exchange_of_the_same

KERNEL first_by_cas(ARGUMENTS) { atomicCAS(counter, 0u, AT + 1); }  // here: first_by_cas

KERNEL widths_mixed(ARGUMENTS) {
    if (AT % 2 == 0) {
        atomicAdd(counter, 1u);  // race: widths_mixed
    } else {
        atomicAdd(reinterpret_cast<unsigned long long*>(counter), 1ull);  // race: widths_mixed
    }
}

// What is read of a counter once nobody changes it any more, and before.
template <bool SYNCED>
__device__ __forceinline__ void count_of_block(const float* x, float* out) {
    __shared__ unsigned count;
    if (TID == 0) count = 0;
    __syncthreads();
    if (x[AT] > 0.0f) atomicAdd(&count, 1u);  // race: count_not_awaited
    if (SYNCED) __syncthreads();
    out[AT] = count;  // race: count_not_awaited
}

KERNEL count_awaited(ARGUMENTS) { count_of_block<true>(x, out); }

KERNEL count_not_awaited(ARGUMENTS) { count_of_block<false>(x, out); }
