// Tickets: the block that comes last goes on alone.
#include "common.cuh"

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

// No race, a ticket with both fences, and the sum still begins with whichever block came last.
KERNEL winner_begins_with_its_own(ARGUMENTS) {
    const float p = block_tree(TID == 0 ? lopsided(blockIdx.x) : 0.0f);
    if (TID != 0) return;
    part[blockIdx.x] = p;
    __threadfence();
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {  // here: winner_begins_with_its_own
        __threadfence();
        float s = p;
        for (unsigned j = 0; j < gridDim.x; ++j) {
            if (j != blockIdx.x) s += part[j];
        }
        out[0] = s;
    }
}

KERNEL winner_says_who_it_is(ARGUMENTS) {
    if (TID == 0 && atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) out[0] = blockIdx.x;  // here: winner_says_who_it_is
}

KERNEL winner_keeps_shared(ARGUMENTS) {
    __shared__ float own;
    __shared__ bool last;
    if (TID == 0) {
        own = x[blockIdx.x];
        __threadfence();
        last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;  // here: winner_keeps_shared
    }
    __syncthreads();
    if (last && TID == 1) out[0] = own;
}

KERNEL losers_write(ARGUMENTS) {
    if (TID == 0 && atomicInc(counter, gridDim.x - 1) != gridDim.x - 1) out[blockIdx.x] = 1.0f;
}

KERNEL ticket_without_fence(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];  // race: ticket_without_fence
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];  // race: ticket_without_fence
        out[0] = s;
    }
}

KERNEL ticket_with_block_fence(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];  // race: ticket_with_block_fence
    __threadfence_block();
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        __threadfence_block();
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];  // race: ticket_with_block_fence
        out[0] = s;
    }
}

KERNEL ticket_with_low_threshold(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];  // race: ticket_with_low_threshold
    __threadfence();
    if (atomicAdd(counter, 1u) == gridDim.x - 2) {  // here: ticket_with_low_threshold
        __threadfence();
        float s = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) s += part[j];  // race: ticket_with_low_threshold
        out[0] = s;
    }
}

KERNEL ticket_of_every_thread(ARGUMENTS) {
    if (atomicInc(counter, gridDim.x * blockDim.x - 1) == gridDim.x * blockDim.x - 1) out[0] = 1.0f;  // here: ticket_of_every_thread
}

KERNEL ticket_is_stored(ARGUMENTS) {
    if (TID == 0) out[blockIdx.x] = atomicAdd(counter, 1u);  // here: ticket_is_stored
}

KERNEL ticket_is_an_address(ARGUMENTS) {
    if (TID == 0) out[atomicAdd(counter, 1u)] = x[blockIdx.x];  // here: ticket_is_an_address
}

// The number drawn says which lanes exchange; it is all of them in any case, which only this text's reader knows.
KERNEL ticket_is_a_mask(ARGUMENTS) {
    if (TID >= 32) return;
    unsigned drawn = TID == 0 ? atomicAdd(counter, 1u) : 0;  // here: ticket_is_a_mask
    drawn = __shfl_sync(EVERY_LANE, drawn, 0);
    const unsigned mask = 0u - (drawn / 4 + 1);
    out[AT] = __shfl_xor_sync(mask, x[AT], 1);
}

KERNEL ticket_decides(ARGUMENTS) {
    if (atomicAdd(counter, 1u) < 10) out[AT] = 1.0f;  // here: ticket_decides
}

// The last of `among` that draw from `counter`; `ORDER` is that of the atomic operation, without fences.
#define DRAW(order, drawn, counter, among) \
    asm volatile("atom." order ".gpu.global.inc.u32 %0, [%1], %2;" \
                 : "=r"(drawn) : "l"(counter), "r"((among) - 1) : "memory")

KERNEL ticket_of_acquire_and_release(ARGUMENTS) {
    if (TID != 0) return;
    unsigned drawn;
    part[blockIdx.x] = x[blockIdx.x];
    DRAW("acq_rel", drawn, counter, gridDim.x);
    if (drawn == gridDim.x - 1) out[0] = sum_of(part);
}

KERNEL ticket_of_release_only(ARGUMENTS) {
    if (TID != 0) return;
    unsigned drawn;
    part[blockIdx.x] = x[blockIdx.x];  // race: ticket_of_release_only
    DRAW("release", drawn, counter, gridDim.x);
    if (drawn == gridDim.x - 1) {
        float total = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) total += part[j];  // race: ticket_of_release_only
        out[0] = total;
    }
}

// The first fence releases; without the second one nothing acquires.
KERNEL ticket_without_second_fence(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];  // race: ticket_without_second_fence
    __threadfence();
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) {
        float total = 0.0f;
        for (unsigned j = 0; j < gridDim.x; ++j) total += part[j];  // race: ticket_without_second_fence
        out[0] = total;
    }
}

// Whether this block is the last of `among` that come to `counter`.
__device__ __forceinline__ bool is_last(unsigned* counter, unsigned among) {
    __shared__ bool last;
    if (TID == 0) {
        __threadfence();
        last = atomicInc(counter, among - 1) == among - 1;  // here: row_of_the_last_block
        __threadfence();
    }
    __syncthreads();
    return last;
}

// Two blocks to a row, and a ticket for each row. What the last one knows of its row must be the same for both.
__device__ __forceinline__ void rows(unsigned row, const float* x, float* out, float* part, unsigned* counter) {
    const float sum = block_tree(x[AT]);
    if (TID == 0) part[blockIdx.x] = sum;
    if (is_last(&counter[row], 2) && TID == 0) out[row] = part[2 * row] + part[2 * row + 1];
}

KERNEL ticket_of_each_row(ARGUMENTS) {
    // Volatile, so that it is the row which is kept.
    unsigned row;
    asm volatile("shr.u32 %0, %1, 1;" : "=r"(row) : "r"(blockIdx.x));
    rows(row, x, out, part, counter);
}

// The compiler keeps the block's number, which each has of its own.
KERNEL row_of_the_last_block(ARGUMENTS) { rows(blockIdx.x / 2, x, out, part, counter); }

// One ticket, and then another one.
KERNEL two_tickets(ARGUMENTS) {
    const float sum = block_tree(x[AT]);
    if (TID == 0) part[blockIdx.x] = sum;
    if (is_last(&counter[0], gridDim.x) && TID == 0) out[0] = sum_of(part);
    __syncthreads();
    if (TID == 0) part[64 + blockIdx.x] = sum * 2.0f;
    if (is_last(&counter[1], gridDim.x) && TID == 0) out[1] = sum_of(part + 64);
}

// From 0 it goes to 3, and back to 1: who gets 1 is the last.
KERNEL ticket_by_decrement(ARGUMENTS) {
    if (TID != 0) return;
    part[blockIdx.x] = x[blockIdx.x];
    __threadfence();
    if (atomicDec(counter, gridDim.x - 1) == 1) {  // here: ticket_by_decrement
        __threadfence();
        out[0] = sum_of(part);
    }
}

// A barrier of the grid, by hand: who waits asks again and again.
KERNEL grid_barrier(ARGUMENTS) {
    part[AT] = x[AT];
    __syncthreads();
    if (TID == 0) {
        __threadfence();
        atomicAdd(counter, 1u);  // here: grid_barrier
        while (*reinterpret_cast<volatile unsigned*>(counter) < gridDim.x) {}  // here: grid_barrier
        __threadfence();
    }
    __syncthreads();
    out[AT] = part[255 - AT];  // here: grid_barrier
}

// The winner takes its part from memory again; the partials are ordered.
KERNEL winner_reads_all_again(ARGUMENTS) {
    const float p = block_tree(x[AT]);
    if (TID == 0) part[blockIdx.x] = p;
    if (is_last(counter, gridDim.x)) {
        float s = TID == 0 ? part[gridDim.x - 1] : 0.0f;
        for (unsigned j = 0; TID == 0 && j + 1 < gridDim.x; ++j) s += part[j];
        if (TID == 0) out[0] = s;
    }
}
