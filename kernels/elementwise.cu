// The steps of a training run between products and sums: every element by itself, or a thread for a row of few. Each
// operation is rounded by itself, so that a step's bits follow from its inputs' alone; exp and log are polynomials of
// Cephes, random numbers Philox4x32-10. The CPU twin (src/train/elementwise) repeats it operation for operation.
//
// All entries take their inputs, their outputs, `u64 rows, u64 columns` and their scalars, in this order. Matrices are
// stored row by row.

using u32 = unsigned int;
using u64 = unsigned long long;

// Any multiple of 32 threads is a legal block, so ptxas must not use more registers than 1024 threads can have.
#define ENTRY extern "C" __global__ void __launch_bounds__(1024, 1)

// Short names: the formulas are long enough.
__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float sub(float a, float b) { return __fsub_rn(a, b); }
__device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float div(float a, float b) { return __fdiv_rn(a, b); }

// Calls act(item) for this thread's items, over whatever grid was launched.
template <typename Act>
__device__ __forceinline__ void for_items(u64 items, Act act) {
    const u64 threads = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 item = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; item < items; item += threads) {
        act(item);
    }
}

// The same for elements of a matrix, with their column.
template <typename Act>
__device__ __forceinline__ void for_elements(u64 rows, u64 columns, Act act) {
    for_items(rows * columns, [&](u64 e) { act(e, e % columns); });
}

// ln 2 in two parts, the first of so few bits that its product with a small integer is exact.
constexpr float LN2 = 355.0f / 512.0f;
constexpr float LN2_REST = -2.1219444e-4f;

// e^x, for x up to 88; 0 below -87, where results would be subnormal.
__device__ __forceinline__ float exponential(float x) {
    if (x < -87.0f) return 0.0f;
    // Adding and taking away 1.5 * 2^23 rounds to an integer.
    const float round = 12582912.0f;
    const float power = sub(add(mul(x, 1.44269504f), round), round);
    const float rest = sub(sub(x, mul(power, LN2)), mul(power, LN2_REST));
    float sum = 1.9875691e-4f;
    sum = add(mul(sum, rest), 1.3981999e-3f);
    sum = add(mul(sum, rest), 8.333452e-3f);
    sum = add(mul(sum, rest), 4.1665796e-2f);
    sum = add(mul(sum, rest), 1.6666665e-1f);
    sum = add(mul(sum, rest), 0.5f);
    const float fraction = add(add(mul(sum, mul(rest, rest)), rest), 1.0f);
    const u32 exponent = static_cast<u32>(__float2int_rz(power)) + 127;
    return mul(fraction, __uint_as_float(exponent << 23));
}

// The natural logarithm of a normal number above 0; infinity and NaN stay what they are.
__device__ __forceinline__ float logarithm(float x) {
    if (!(x <= 3.40282347e38f)) return x;
    const u32 bits = __float_as_uint(x);
    // The fraction in [sqrt(1/2), sqrt(2)), so that the polynomial's argument is small.
    const u32 above = bits - 0x3f3504f3u;
    const float power = __int2float_rn(static_cast<int>(above) >> 23);
    const float fraction = sub(__uint_as_float(bits - (above & 0xff800000u)), 1.0f);
    const float square = mul(fraction, fraction);
    float sum = 7.0376836e-2f;
    sum = add(mul(sum, fraction), -1.151461e-1f);
    sum = add(mul(sum, fraction), 1.1676999e-1f);
    sum = add(mul(sum, fraction), -1.2420141e-1f);
    sum = add(mul(sum, fraction), 1.4249323e-1f);
    sum = add(mul(sum, fraction), -1.6668058e-1f);
    sum = add(mul(sum, fraction), 2.0000715e-1f);
    sum = add(mul(sum, fraction), -2.4999994e-1f);
    sum = add(mul(sum, fraction), 3.333333e-1f);
    const float tail = sub(add(mul(sum, mul(square, fraction)), mul(power, LN2_REST)), mul(0.5f, square));
    return add(add(fraction, tail), mul(power, LN2));
}

// Ten rounds of Philox4x32 (Salmon et al. 2011): the block of four words at `position` of a stream.
__device__ __forceinline__ void philox(u32 (&words)[4], u64 seed, u32 purpose, u64 position) {
    u32 a = static_cast<u32>(position), b = static_cast<u32>(position >> 32), c = 0, d = purpose;
    u32 key0 = static_cast<u32>(seed), key1 = static_cast<u32>(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const u32 high0 = __umulhi(0xd2511f53u, a), low0 = 0xd2511f53u * a;
        const u32 high1 = __umulhi(0xcd9e8d57u, c), low1 = 0xcd9e8d57u * c;
        a = high1 ^ b ^ key0;
        b = low1;
        c = high0 ^ d ^ key1;
        d = low0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

__device__ __forceinline__ float positive(float x) { return x > 0.0f ? x : 0.0f; }

// What a kept activation is multiplied by.
__device__ __forceinline__ float kept(float rate) { return div(1.0f, sub(1.0f, rate)); }

ENTRY elementwise_relu(const float* y, float* active, u64 rows, u64 columns) {
    for_items(rows * columns, [&](u64 e) { active[e] = positive(y[e]); });
}

// A thread takes four elements: a block of random words.
ENTRY elementwise_dropout(const float* y, float* active, u64 rows, u64 columns, float rate, u64 seed, u64 position,
                          u64 purpose) {
    const u64 count = rows * columns;
    const float factor = kept(rate);
    for_items(count / 4 + (count % 4 != 0), [&](u64 block) {
        u32 words[4];
        philox(words, seed, static_cast<u32>(purpose), position + block);
#pragma unroll
        for (u32 k = 0; k < 4; ++k) {
            const u64 e = 4 * block + k;
            if (e >= count) continue;
            // The upper 24 bits as a number in [0, 1), exactly.
            const float unit = mul(__uint2float_rn(words[k] >> 8), 5.9604644775390625e-8f);
            active[e] = mul(positive(y[e]), unit < rate ? 0.0f : factor);
        }
    });
}

// An activation is above 0 exactly where it was positive before and was kept.
ENTRY elementwise_dropout_backward(const float* active, const float* to_active, float* to_y, u64 rows, u64 columns,
                                   float rate) {
    const float factor = kept(rate);
    for_items(rows * columns, [&](u64 e) { to_y[e] = active[e] > 0.0f ? mul(to_active[e], factor) : 0.0f; });
}

ENTRY elementwise_add_to_rows(const float* x, const float* vector, float* sum, u64 rows, u64 columns) {
    for_elements(rows, columns, [&](u64 e, u64 column) { sum[e] = add(x[e], vector[column]); });
}

ENTRY elementwise_shifted_exponentials(const float* logits, float* exponentials, float* largest, u64 rows,
                                       u64 columns) {
    for_items(rows, [&](u64 row) {
        const u64 first = row * columns, end = first + columns;
        float most = __uint_as_float(0xff800000u);
        for (u64 e = first; e < end; ++e) most = logits[e] > most ? logits[e] : most;
        for (u64 e = first; e < end; ++e) exponentials[e] = exponential(sub(logits[e], most));
        largest[row] = most;
    });
}

ENTRY elementwise_losses(const float* logits, const float* sums, const float* largest, const float* digits,
                         float* losses, u64 rows, u64 columns) {
    for_items(rows, [&](u64 row) {
        const float right = logits[row * columns + static_cast<u32>(__float2int_rz(digits[row]))];
        losses[row] = sub(logarithm(sums[row]), sub(right, largest[row]));
    });
}

ENTRY elementwise_logits_gradient(const float* exponentials, const float* sums, const float* digits, float* to_logits,
                                  u64 rows, u64 columns) {
    const float count = __ull2float_rn(rows);
    for_elements(rows, columns, [&](u64 e, u64 column) {
        const u64 row = e / columns;
        const float wanted = column == static_cast<u32>(__float2int_rz(digits[row])) ? 1.0f : 0.0f;
        to_logits[e] = div(sub(div(exponentials[e], sums[row]), wanted), count);
    });
}

ENTRY elementwise_divided(const float* x, float* quotient, u64 rows, u64 columns, float divisor) {
    for_items(rows * columns, [&](u64 e) { quotient[e] = div(x[e], divisor); });
}

ENTRY elementwise_transposed(const float* matrix, float* turned, u64 rows, u64 columns) {
    for_items(rows * columns, [&](u64 e) {
        const u64 column = e / rows;
        turned[e] = matrix[(e - column * rows) * columns + column];
    });
}

ENTRY elementwise_centred(const float* x, const float* mean, const float* invstd, const float* to_y, float* centred,
                          float* product, u64 rows, u64 columns) {
    for_elements(rows, columns, [&](u64 e, u64 column) {
        const float value = mul(sub(x[e], mean[column]), invstd[column]);
        centred[e] = value;
        product[e] = mul(to_y[e], value);
    });
}

ENTRY elementwise_normalise_backward(const float* to_y, const float* centred, const float* weight, const float* invstd,
                                     const float* to_bias, const float* to_weight, float* to_x, u64 rows,
                                     u64 columns) {
    const float count = __ull2float_rn(rows);
    for_elements(rows, columns, [&](u64 e, u64 column) {
        const float rest = sub(sub(mul(count, to_y[e]), to_bias[column]), mul(centred[e], to_weight[column]));
        to_x[e] = mul(div(mul(weight[column], invstd[column]), count), rest);
    });
}

// What the first and the second moment keep in a step; Adam's epsilon.
constexpr float FIRST = 0.9f;
constexpr float SECOND = 0.999f;
constexpr float EPSILON = 1e-8f;

ENTRY elementwise_momentum(const float* parameter, const float* velocity, const float* gradient, float* new_parameter,
                           float* new_velocity, u64 rows, u64 columns, float rate) {
    for_items(rows * columns, [&](u64 e) {
        const float moved = add(mul(FIRST, velocity[e]), gradient[e]);
        new_velocity[e] = moved;
        new_parameter[e] = sub(parameter[e], mul(rate, moved));
    });
}

ENTRY elementwise_adam(const float* parameter, const float* first, const float* second, const float* gradient,
                       float* new_parameter, float* new_first, float* new_second, u64 rows, u64 columns, float rate,
                       float first_correction, float second_correction) {
    for_items(rows * columns, [&](u64 e) {
        const float slope = gradient[e];
        const float mean = add(mul(FIRST, first[e]), mul(1.0f - FIRST, slope));
        const float square = add(mul(SECOND, second[e]), mul(1.0f - SECOND, mul(slope, slope)));
        const float deviation = add(__fsqrt_rn(div(square, second_correction)), EPSILON);
        new_first[e] = mean;
        new_second[e] = square;
        new_parameter[e] = sub(parameter[e], mul(rate, div(div(mean, first_correction), deviation)));
    });
}

ENTRY elementwise_accumulated(const float* sum, const float* gradient, float* new_sum, u64 rows, u64 columns) {
    for_items(rows * columns, [&](u64 e) { new_sum[e] = add(sum[e], gradient[e]); });
}

ENTRY elementwise_scaled(const float* x, float* product, u64 rows, u64 columns, float factor) {
    for_items(rows * columns, [&](u64 e) { product[e] = mul(x[e], factor); });
}
