// Barriers of blocks and of warps, and what lanes give each other.
#include "common.cuh"

KERNEL shuffle_sum(ARGUMENTS) {
    float sum = x[AT];
    for (unsigned apart = 16; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    out[AT] = sum;
}

KERNEL votes(ARGUMENTS) {
    const bool positive = x[AT] > 0.0f;
    out[AT] = __popc(__ballot_sync(0xffffffffu, positive)) + __syncthreads_count(positive);
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

KERNEL warp_synced(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    __syncwarp();
    out[AT] = s[TID ^ 1];
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

// Half a block leaves what the other half reads behind a barrier; with a fence, whose release nobody acquires, or without.
template <bool FENCED>
__device__ __forceinline__ void leave(const float* x, float* out) {
    __shared__ float s[64];
    if (TID >= 32) {
        s[TID] = x[AT];  // race: left_behind, left_behind_a_fence
        if (FENCED) __threadfence();
        return;
    }
    __syncthreads();
    out[AT] = s[TID + 32];  // race: left_behind, left_behind_a_fence
}

KERNEL left_behind(ARGUMENTS) { leave<false>(x, out); }

KERNEL left_behind_a_fence(ARGUMENTS) { leave<true>(x, out); }

KERNEL flag(ARGUMENTS) {
    __shared__ float value;
    __shared__ volatile int ready;
    if (TID == 0) ready = 0;
    __syncthreads();
    if (TID == 0) {
        value = x[blockIdx.x];
        __threadfence_block();
        ready = 1;  // here: flag
    } else if (TID == 32) {
        while (ready == 0) {}  // here: flag
        __threadfence_block();
        out[blockIdx.x] = value;  // here: flag
    }
}

KERNEL active_lanes(ARGUMENTS) {
    if (x[AT] > 0.0f) out[AT] = __popc(__activemask());  // here: active_lanes
}

KERNEL missing_barrier(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    s[TID] = x[AT];  // race: missing_barrier
    out[AT] = s[63 - TID];  // race: missing_barrier
}

KERNEL in_step_only(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];  // race: in_step_only
    out[AT] = s[TID ^ 1];  // race: in_step_only
}

KERNEL in_step_and_volatile(ARGUMENTS) {
    __shared__ volatile float s[64];
    s[TID] = x[AT];  // here: in_step_and_volatile
    out[AT] = s[TID ^ 1];  // here: in_step_and_volatile
}

KERNEL arms(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    if (TID % 2 == 0) s[TID + 1] = x[AT]; else out[AT] = s[TID];  // race: arms
}

KERNEL whoever_comes_meets(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    // Both warps come twice to a barrier of one warp.
    asm volatile("bar.sync 1, 32;" ::: "memory");  // here: whoever_comes_meets
    out[AT] = s[TID];
}

// A buffer that is filled again and again: what was read from it must be read by all before.
template <bool SECOND>
__device__ __forceinline__ void refill(const float* x, float* out) {
    __shared__ float s[64];
    float sum = 0.0f;
    for (unsigned k = 0; k < 4; ++k) {
        s[TID] = x[k * 64 + TID];  // race: missing_second_barrier
        __syncthreads();
        sum += s[63 - TID];  // race: missing_second_barrier
        if (SECOND) __syncthreads();
    }
    out[AT] = sum;
}

KERNEL refilled(ARGUMENTS) { refill<true>(x, out); }

KERNEL missing_second_barrier(ARGUMENTS) { refill<false>(x, out); }

// Two buffers in turn, and a barrier per round; or one in every second round.
KERNEL double_buffer_missing_one(ARGUMENTS) {
    __shared__ float s[2][64];
    float sum = 0.0f;
    s[0][TID] = s[1][TID] = 0.0f;
    __syncthreads();
    for (unsigned k = 0; k < 4; ++k) {
        s[k % 2][TID] = x[k * 64 + TID];  // race: double_buffer_missing_one
        if (k % 2 == 0) __syncthreads();
        sum += s[k % 2][(TID + 1) % 64];  // race: double_buffer_missing_one
    }
    out[AT] = sum;
}

// Both halves come to barrier 0, each by an instruction of its own.
KERNEL barrier_in_both_arms(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    if (TID < 32) {
        asm volatile("barrier.sync 0;" ::: "memory");
        out[AT] = s[TID + 32];
    } else {
        asm volatile("barrier.sync 0;" ::: "memory");
        out[AT] = s[TID - 32] * 2.0f;
    }
}

// One half waits for all; the other only says that it came.
KERNEL barrier_in_one_arm(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];  // race: barrier_in_one_arm
    if (TID < 32) {
        asm volatile("barrier.sync 1, 32;" ::: "memory");
        out[AT] = s[TID + 32];  // race: barrier_in_one_arm
    }
}

template <bool SYNCED>
__device__ __forceinline__ void sum_of_warps(const float* x, float* out) {
    __shared__ float warps[2];
    if (TID < 2) warps[TID] = 0.0f;
    __syncthreads();
    float sum = x[AT];
    for (unsigned apart = 16; apart > 0; apart /= 2) sum += __shfl_down_sync(EVERY_LANE, sum, apart);
    if (TID % 32 == 0) warps[TID / 32] = sum;  // race: warps_not_awaited
    if (SYNCED) __syncthreads();
    if (TID == 0) out[blockIdx.x] = warps[0] + warps[1];  // race: warps_not_awaited
}

KERNEL warps_awaited(ARGUMENTS) { sum_of_warps<true>(x, out); }

KERNEL warps_not_awaited(ARGUMENTS) { sum_of_warps<false>(x, out); }

// A warp's sum through shared memory, in steps.
template <bool SYNCED>
__device__ __forceinline__ void steps_of_a_warp(const float* x, float* out) {
    __shared__ float s[64];
    s[TID] = x[AT];  // race: warp_steps_not_synced
    for (unsigned apart = 16; apart > 0; apart /= 2) {
        if (SYNCED) __syncwarp();
        const float other = TID % 32 < apart ? s[TID + apart] : 0.0f;  // race: warp_steps_not_synced
        if (SYNCED) __syncwarp();
        s[TID] += other;  // race: warp_steps_not_synced
    }
    out[AT] = s[TID];
}

KERNEL warp_steps_synced(ARGUMENTS) { steps_of_a_warp<true>(x, out); }

KERNEL warp_steps_not_synced(ARGUMENTS) { steps_of_a_warp<false>(x, out); }

// The number of the barrier is data, the same for all.
KERNEL barrier_by_input(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = x[AT];
    asm volatile("barrier.sync %0;" ::"r"(x[0] > 0.0f ? 1 : 2) : "memory");
    out[AT] = s[63 - TID];
}

// The number of the barrier is chance, yet the same for all of a block.
KERNEL barrier_by_chance(ARGUMENTS) {
    __shared__ float s[64];
    __shared__ unsigned number;
    s[TID] = x[AT];
    if (TID == 0) number = 1 + atomicAdd(counter, 1u) % 2;  // here: barrier_by_chance
    __syncthreads();
    asm volatile("barrier.sync %0;" ::"r"(number) : "memory");
    out[AT] = s[63 - TID];
}

KERNEL shuffle_from_inactive_lane(ARGUMENTS) {
    const float value = x[AT];
    if (TID % 2 == 0) out[AT] = __shfl_sync(0x55555555u, value, TID % 32 + 1);  // here: shuffle_from_inactive_lane
}

// Lanes that go the same way add what they are, one for all of them.
KERNEL aggregated_by_activemask(ARGUMENTS) {
    if (x[AT] > 0.0f) {
        const unsigned with_me = __activemask();  // here: aggregated_by_activemask
        if (TID % 32 == __ffs(with_me) - 1) atomicAdd(counter, __popc(with_me));
    }
}

KERNEL aggregated_by_ballot(ARGUMENTS) {
    const unsigned with_me = __ballot_sync(EVERY_LANE, x[AT] > 0.0f);
    if (x[AT] > 0.0f && TID % 32 == __ffs(with_me) - 1) atomicAdd(counter, __popc(with_me));
}
