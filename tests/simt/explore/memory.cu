// Accesses to memory, asynchronous copies, and what is read that no program wrote.
#include "common.cuh"

KERNEL same_value(ARGUMENTS) { out[0] = 7.0f; }

KERNEL bytes(ARGUMENTS) { reinterpret_cast<unsigned char*>(counter)[AT] = static_cast<unsigned char>(AT); }

KERNEL copied(ARGUMENTS) {
    __shared__ float s[64];
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    out[AT] = s[63 - TID];
}

KERNEL clock_stored(ARGUMENTS) { out[AT] = clock(); }  // here: clock_stored

KERNEL clock_decides(ARGUMENTS) {
    if (clock() % 2 == 0) out[AT] = 1.0f;  // here: clock_decides
}

KERNEL clock_unused(ARGUMENTS) {
    counter[AT] = clock() & 0u;
    asm volatile("{ .reg .b32 %t; mov.u32 %t, %clock; }");
    out[AT] = x[AT];
}

KERNEL multiprocessor(ARGUMENTS) {
    unsigned smid;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(smid));  // here: multiprocessor
    out[AT] = smid;
}

KERNEL warp_number(ARGUMENTS) {
    unsigned warp;
    asm volatile("mov.u32 %0, %%warpid;" : "=r"(warp));  // here: warp_number
    out[AT] = warp;
}

KERNEL approximation_decides(ARGUMENTS) {
    if (__expf(x[AT] * 0.001f) > 1.0f) out[AT] = 1.0f;  // here: approximation_decides
}

KERNEL everybody_writes(ARGUMENTS) { out[0] = AT; }  // race: everybody_writes

KERNEL same_value_and_a_reader(ARGUMENTS) {
    out[0] = 7.0f;  // race: same_value_and_a_reader
    if (AT == 77) out[1] = __ldcg(out);  // race: same_value_and_a_reader
}

KERNEL neighbours_byte(ARGUMENTS) {
    unsigned char* bytes = reinterpret_cast<unsigned char*>(counter);
    bytes[AT] = static_cast<unsigned char>(AT);  // race: neighbours_byte
    if (AT == 9) bytes[10] = 3;  // race: neighbours_byte
}

KERNEL copy_not_awaited(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");  // race: copy_not_awaited
    __syncthreads();
    out[AT] = s[63 - TID];  // race: copy_not_awaited
}

KERNEL source_overwritten(ARGUMENTS) {
    __shared__ float s[64];
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(part + AT) : "memory");  // race: source_overwritten
    part[AT] = x[AT];  // race: source_overwritten
    asm volatile("cp.async.wait_all;" ::: "memory");
    out[AT] = s[TID];
}

KERNEL source_overwritten_later(ARGUMENTS) {
    __shared__ float s[64];
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(part + AT) : "memory");
    asm volatile("cp.async.wait_all;" ::: "memory");
    part[AT] = x[AT];
    out[AT] = s[TID];
}

KERNEL uninitialised(ARGUMENTS) {
    __shared__ float s[65];
    s[TID] = x[AT];
    __syncthreads();
    out[AT] = s[TID + 1];  // here: uninitialised
}

// Each reads what its neighbour wrote: within the block, or of the next block too.
template <bool WITHIN>
__device__ __forceinline__ void neighbour(const float* x, float* out, float* part) {
    part[AT] = x[AT];  // race: off_by_one
    __syncthreads();
    const unsigned next = WITHIN ? blockIdx.x * 64 + (TID + 1) % 64 : min(AT + 1, 255u);
    out[AT] = part[next];  // race: off_by_one
}

KERNEL within_the_block(ARGUMENTS) { neighbour<true>(x, out, part); }

KERNEL off_by_one(ARGUMENTS) { neighbour<false>(x, out, part); }

// The thread beside writes there too.
KERNEL written_beside(ARGUMENTS) {
    __shared__ float s[65];
    s[TID] = x[AT];  // race: written_beside
    s[TID + 1] = 1.0f;  // race: written_beside
    __syncthreads();
    out[AT] = s[TID];
}

KERNEL same_value_and_an_ordered_reader(ARGUMENTS) {
    out[blockIdx.x] = 7.0f;
    __syncthreads();
    part[AT] = __ldcg(&out[blockIdx.x]);
}

KERNEL half_words(ARGUMENTS) { reinterpret_cast<unsigned short*>(counter)[AT] = static_cast<unsigned short>(AT); }

// An address of which only the execution says what it points to.
KERNEL generic_stores(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    float* place = x[AT] > 0.0f ? &s[TID] : &out[AT];
    *place = x[AT];
    __syncthreads();
    part[AT] = s[63 - TID];
}

// Four at once, each its own; then each twice.
template <unsigned WRITERS>
__device__ __forceinline__ void four_at_once(const float* x, float* out) {
    if (AT < 64) {
        reinterpret_cast<float4*>(out)[AT / WRITERS] = make_float4(x[AT], 1.0f, 2.0f, 3.0f);  // race: four_twice
    }
}

KERNEL four_each(ARGUMENTS) { four_at_once<1>(x, out); }

KERNEL four_twice(ARGUMENTS) { four_at_once<2>(x, out); }

// Whether a flag is up, asked once: what is behind it is ordered if the fences reach other blocks.
template <bool FAR>
__device__ __forceinline__ void asked_once(float* out, float* part, volatile unsigned* flag) {
    if (TID != 0) return;
    if (blockIdx.x == 0) {
        part[0] = 5.0f;  // race: flag_with_block_fence
        if (FAR) __threadfence(); else __threadfence_block();
        *flag = 1;  // here: flag_asked_once, flag_with_block_fence
    } else if (blockIdx.x == 1 && *flag == 1) {  // here: flag_asked_once, flag_with_block_fence
        if (FAR) __threadfence(); else __threadfence_block();
        out[1] = part[0];  // here: flag_asked_once // race: flag_with_block_fence
    }
}

KERNEL flag_asked_once(ARGUMENTS) { asked_once<true>(out, part, counter); }

KERNEL flag_with_block_fence(ARGUMENTS) { asked_once<false>(out, part, counter); }

// Two copies, each a group of its own, of which the last `LEFT` need not have ended.
template <int LEFT>
__device__ __forceinline__ void two_groups(const float* x, float* out) {
    __shared__ float s[2][64];
    for (unsigned k = 0; k < 2; ++k) {
        const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[k][TID]));
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
    __syncthreads();
    out[AT] = s[0][63 - TID];
    if (LEFT == 0) out[AT] += s[1][63 - TID];
}

KERNEL first_group_awaited(ARGUMENTS) { two_groups<1>(x, out); }

KERNEL both_groups_awaited(ARGUMENTS) { two_groups<0>(x, out); }

KERNEL second_group_not_awaited(ARGUMENTS) {
    __shared__ float s[64];
    s[TID] = 0.0f;
    __syncthreads();
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&s[TID]));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + AT) : "memory");  // race: second_group_not_awaited
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    out[AT] = s[63 - TID];  // race: second_group_not_awaited
}

KERNEL uninitialised_register(ARGUMENTS) {
    float value;
    asm volatile("{ .reg .f32 t; mov.f32 %0, t; }" : "=f"(value));
    out[AT] = value;  // here: uninitialised_register
}

KERNEL uninitialised_local(ARGUMENTS) {
    volatile float own[4];
    own[AT % 4] = x[AT];
    out[AT] = own[(AT + 1) % 4];  // here: uninitialised_local
}

KERNEL approximation_is_an_address(ARGUMENTS) {
    out[static_cast<unsigned>(__expf(x[AT] * 0.0f + 0.5f)) + AT % 2] = 1.0f;  // here: approximation_is_an_address
}
