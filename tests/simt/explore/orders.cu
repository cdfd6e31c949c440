// Kernels that do not depend on the schedule, and kernels that do, each for one reason. All are launched with four
// blocks of 64 threads, on 256 elements of each argument; `../certificates.rs` has the answer to each.
#define KERNEL extern "C" __global__ void __launch_bounds__(128)
#define ARGUMENTS const float* x, float* out, float* part, unsigned* counter
#define TID threadIdx.x
#define AT (blockIdx.x * blockDim.x + threadIdx.x)

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

KERNEL elementwise(ARGUMENTS) { out[AT] = x[AT] * 2.0f; }

KERNEL tree(ARGUMENTS) {
    const float sum = block_tree(x[AT]);
    if (TID == 0) out[blockIdx.x] = sum;
}

KERNEL shuffle_sum(ARGUMENTS) {
    float sum = x[AT];
    for (unsigned apart = 16; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    out[AT] = sum;
}

KERNEL votes(ARGUMENTS) {
    const bool positive = x[AT] > 0.0f;
    out[AT] = __popc(__ballot_sync(0xffffffffu, positive)) + __syncthreads_count(positive);
}

KERNEL histogram(ARGUMENTS) { atomicAdd(&counter[x[AT] > 0.0f], 1u); }

KERNEL shared_histogram(ARGUMENTS) {
    __shared__ unsigned bins[2];
    if (TID < 2) bins[TID] = 0;
    __syncthreads();
    atomicAdd(&bins[x[AT] > 0.0f], 1u);
    __syncthreads();
    if (TID < 2) atomicAdd(&counter[TID], bins[TID]);
}

KERNEL largest(ARGUMENTS) { atomicMax(reinterpret_cast<int*>(counter), static_cast<int>(x[AT])); }

KERNEL parity(ARGUMENTS) { atomicXor(counter, __float_as_uint(x[AT])); }

KERNEL limited(ARGUMENTS) { atomicInc(counter, 100u); }

KERNEL same_value(ARGUMENTS) { out[0] = 7.0f; }

KERNEL bytes(ARGUMENTS) { reinterpret_cast<unsigned char*>(counter)[AT] = static_cast<unsigned char>(AT); }

KERNEL transpose(ARGUMENTS) {
    __shared__ float tile[8][9];
    tile[TID / 8][TID % 8] = x[AT];
    __syncthreads();
    out[AT] = tile[TID % 8][TID / 8];
}

KERNEL double_buffer(ARGUMENTS) {
    __shared__ float s[2][64];
    float sum = 0.0f;
    for (unsigned k = 0; k < 4; ++k) {
        s[k % 2][TID] = x[k * 64 + TID];
        __syncthreads();
        sum += s[k % 2][(TID + 1) % 64];
    }
    out[AT] = sum;
}

KERNEL scan(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    for (unsigned apart = 1; apart < 64; apart *= 2) {
        __syncthreads();
        const float before = TID >= apart ? s[TID - apart] : 0.0f;
        __syncthreads();
        s[TID] += before;
    }
    out[AT] = s[TID];
}

KERNEL warp_synced(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    __syncwarp();
    out[AT] = s[TID ^ 1];
}

KERNEL softmax(ARGUMENTS) {
    const float e = __expf(x[AT] * 0.001f);
    const float sum = block_tree(e);
    out[AT] = e / sum;
}

KERNEL early_return(ARGUMENTS) {
    if (AT >= 200) return;
    out[AT] = x[AT];
}

KERNEL named_barriers(ARGUMENTS) {
    __shared__ float s[32];
    if (TID >= 32) {
        s[TID - 32] = x[AT];
        asm volatile("bar.arrive 1, 64;" ::: "memory");
    } else {
        asm volatile("bar.sync 1, 64;" ::: "memory");
        out[AT] = s[TID];
    }
}

KERNEL copied(ARGUMENTS) {
    __shared__ float s[64];
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    out[AT] = s[63 - TID];
}

// A ticket as it should be: the last block adds all partials in their own order.
KERNEL ticket(ARGUMENTS) {
    __shared__ bool last;
    const float sum = block_tree(x[AT]);
    if (TID == 0) {
        part[blockIdx.x] = sum;
        __threadfence();
        last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (last && TID == 0) {
        float total = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) total += part[j];
        out[0] = total;
    }
}

KERNEL ticket_by_addition(ARGUMENTS) {
    __shared__ unsigned drawn;
    const float sum = block_tree(x[AT]);
    if (TID == 0) {
        part[blockIdx.x] = sum;
        __threadfence();
        drawn = atomicAdd(counter, 1u);
        __threadfence();
    }
    __syncthreads();
    if (drawn + 1 == gridDim.x) {
        const float total = block_tree(TID < gridDim.x ? part[TID] : 0.0f);
        if (TID == 0) {
            out[0] = total;
            counter[0] = 0;
        }
    }
}

// From here on: what depends, or cannot be told.

// No race, a ticket with both fences, and the sum still begins with whichever block came last.
KERNEL winner_begins_with_its_own(ARGUMENTS) {
    const float p = block_tree(x[AT]);
    if (TID != 0) return;
    part[blockIdx.x] = p;
    __threadfence();
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        __threadfence();
        float s = p;
        for (unsigned j = 0; j < gridDim.x; ++j) {
            if (j != blockIdx.x) s += part[j];
        }
        out[0] = s;
    }
}

KERNEL winner_says_who_it_is(ARGUMENTS) {
    if (TID == 0 && atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) out[0] = blockIdx.x;
}

KERNEL winner_keeps_shared(ARGUMENTS) {
    __shared__ float own;
    __shared__ bool last;
    if (TID == 0) {
        own = x[blockIdx.x];
        __threadfence();
        last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && TID == 1) out[0] = own;
}

KERNEL losers_write(ARGUMENTS) {
    if (TID == 0 && atomicInc(counter, gridDim.x - 1) != gridDim.x - 1) out[blockIdx.x] = 1.0f;
}

KERNEL ticket_without_fence(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];
        out[0] = s;
    }
}

KERNEL ticket_with_block_fence(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];
    __threadfence_block();
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        __threadfence_block();
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];
        out[0] = s;
    }
}

KERNEL ticket_with_low_threshold(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];
    __threadfence();
    if (atomicAdd(counter, 1u) == gridDim.x - 2) {
        __threadfence();
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];
        out[0] = s;
    }
}

KERNEL ticket_of_every_thread(ARGUMENTS) {
    if (atomicInc(counter, gridDim.x * blockDim.x - 1) == gridDim.x * blockDim.x - 1) out[0] = 1.0f;
}

KERNEL ticket_is_stored(ARGUMENTS) {
    if (TID == 0) out[blockIdx.x] = atomicAdd(counter, 1u);
}

KERNEL ticket_is_an_address(ARGUMENTS) {
    if (TID == 0) out[atomicAdd(counter, 1u)] = x[blockIdx.x];
}

KERNEL ticket_decides(ARGUMENTS) {
    if (atomicAdd(counter, 1u) < 10) out[AT] = 1.0f;
}

KERNEL compaction(ARGUMENTS) {
    if (x[AT] > 0.0f) out[atomicAdd(counter, 1u)] = x[AT];
}

KERNEL float_atomic(ARGUMENTS) { atomicAdd(out, x[AT]); }

KERNEL float_atomic_in_shared(ARGUMENTS) {
    __shared__ float sum;
    if (TID == 0) sum = 0.0f;
    __syncthreads();
    atomicAdd(&sum, x[AT]);
    __syncthreads();
    if (TID == 0) out[blockIdx.x] = sum;
}

KERNEL exchange(ARGUMENTS) { atomicExch(out, x[AT]); }

KERNEL mixed_classes(ARGUMENTS) {
    if (TID == 0) {
        if (blockIdx.x % 2 == 0) atomicAdd(counter, 3u); else atomicMax(counter, 4u);
    }
}

KERNEL other_limits(ARGUMENTS) { atomicInc(counter, 5u + blockIdx.x); }

KERNEL largest_float_by_cas(ARGUMENTS) {
    unsigned* place = reinterpret_cast<unsigned*>(out);
    unsigned known = *reinterpret_cast<volatile unsigned*>(place);
    while (__uint_as_float(known) < x[AT]) {
        const unsigned before = atomicCAS(place, known, __float_as_uint(x[AT]));
        if (before == known) break;
        known = before;
    }
}

KERNEL locked_sum(ARGUMENTS) {
    if (TID != 0) return;
    while (atomicCAS(counter, 0u, 1u) != 0u) {}
    __threadfence();
    *reinterpret_cast<volatile float*>(out) = *reinterpret_cast<volatile float*>(out) + x[blockIdx.x];
    __threadfence();
    atomicExch(counter, 0u);
}

KERNEL flag(ARGUMENTS) {
    __shared__ float value;
    __shared__ volatile int ready;
    if (TID == 0) ready = 0;
    __syncthreads();
    if (TID == 0) {
        value = x[blockIdx.x];
        __threadfence_block();
        ready = 1;
    } else if (TID == 32) {
        while (ready == 0) {}
        __threadfence_block();
        out[blockIdx.x] = value;
    }
}

KERNEL clock_stored(ARGUMENTS) { out[AT] = clock(); }

KERNEL clock_decides(ARGUMENTS) {
    if (clock() % 2 == 0) out[AT] = 1.0f;
}

KERNEL clock_unused(ARGUMENTS) {
    counter[AT] = clock() & 0u;
    asm volatile("{ .reg .b32 %t; mov.u32 %t, %clock; }");
    out[AT] = x[AT];
}

KERNEL multiprocessor(ARGUMENTS) {
    unsigned smid;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(smid));
    out[AT] = smid;
}

KERNEL warp_number(ARGUMENTS) {
    unsigned warp;
    asm volatile("mov.u32 %0, %%warpid;" : "=r"(warp));
    out[AT] = warp;
}

KERNEL active_lanes(ARGUMENTS) {
    if (x[AT] > 0.0f) out[AT] = __popc(__activemask());
}

KERNEL approximation_decides(ARGUMENTS) {
    if (__expf(x[AT] * 0.001f) > 1.0f) out[AT] = 1.0f;
}

KERNEL missing_barrier(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    s[TID] = x[AT];
    out[AT] = s[63 - TID];
}

KERNEL missing_second_barrier(ARGUMENTS) {
    __shared__ float s[64];
    float sum = 0.0f;
    for (unsigned k = 0; k < 4; ++k) {
        s[TID] = x[k * 64 + TID];
        __syncthreads();
        sum += s[63 - TID];
    }
    out[AT] = sum;
}

KERNEL in_step_only(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    out[AT] = s[TID ^ 1];
}

KERNEL in_step_and_volatile(ARGUMENTS) {
    __shared__ volatile float s[64];
    s[TID] = x[AT];
    out[AT] = s[TID ^ 1];
}

KERNEL arms(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    if (TID % 2 == 0) s[TID + 1] = x[AT]; else out[AT] = s[TID];
}

KERNEL everybody_writes(ARGUMENTS) { out[0] = AT; }

KERNEL same_value_and_a_reader(ARGUMENTS) {
    out[0] = 7.0f;
    if (AT == 77) out[1] = __ldcg(out);
}

KERNEL neighbours_byte(ARGUMENTS) {
    unsigned char* bytes = reinterpret_cast<unsigned char*>(counter);
    bytes[AT] = static_cast<unsigned char>(AT);
    if (AT == 9) bytes[10] = 3;
}

KERNEL block_scope(ARGUMENTS) { atomicAdd_block(counter, 1u); }

KERNEL atomic_and_plain(ARGUMENTS) {
    atomicAdd(&counter[0], 1u);
    if (AT == 5) out[0] = counter[0];
}

KERNEL copy_not_awaited(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");
    __syncthreads();
    out[AT] = s[63 - TID];
}

KERNEL whoever_comes_meets(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    // Both warps come twice to a barrier of one warp.
    asm volatile("bar.sync 1, 32;" ::: "memory");
    out[AT] = s[TID];
}

KERNEL uninitialised(ARGUMENTS) {
    __shared__ float s[65];
    s[TID] = x[AT];
    __syncthreads();
    out[AT] = s[TID + 1];
}
