"""Triton kernels of the corpus that triton_corpus.py compiles: small ones, each for something that Triton's PTX does.

They are in a file of their own so that their line numbers, which the PTX holds, change only when they do.
"""

import triton
import triton.language as tl


@triton.jit
def vector_add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.store(out + i, tl.load(x + i, mask=inside) + tl.load(y + i, mask=inside), mask=inside)


@triton.jit
def convert(x, half, brain, integer, byte, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    value = tl.load(x + i, mask=inside, other=0.0)
    tl.store(half + i, value.to(tl.float16), mask=inside)
    tl.store(brain + i, value.to(tl.bfloat16), mask=inside)
    tl.store(integer + i, (value * 1000.0).to(tl.int32), mask=inside)
    tl.store(byte + i, (value * 100.0).to(tl.int8), mask=inside)


@triton.jit
def half_arithmetic(x, y, product, largest, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    a = tl.load(x + i, mask=inside, other=0.0)
    b = tl.load(y + i, mask=inside, other=0.0)
    tl.store(product + i, a * b - a, mask=inside)
    tl.store(largest + i, tl.maximum(a, b), mask=inside)


@triton.jit
def functions(x, exponential, logarithm, root, sine, sigmoid, quotient, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    value = tl.load(x + i, mask=inside, other=1.0)
    tl.store(exponential + i, tl.exp(value), mask=inside)
    tl.store(logarithm + i, tl.log(value), mask=inside)
    tl.store(root + i, tl.sqrt_rn(value) + tl.rsqrt(value), mask=inside)
    tl.store(sine + i, tl.sin(value) + tl.cos(value) + tl.erf(value), mask=inside)
    tl.store(sigmoid + i, tl.sigmoid(value), mask=inside)
    tl.store(quotient + i, tl.div_rn(1.0, value) + tl.floor(value) / 3.0, mask=inside)


@triton.jit
def softmax(x, out, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    value = tl.load(x + row * columns + i, mask=inside, other=float("-inf"))
    weight = tl.exp(value - tl.max(value, axis=0))
    tl.store(out + row * columns + i, weight / tl.sum(weight, axis=0), mask=inside)


@triton.jit
def layer_norm(x, weight, bias, out, deviation, columns, epsilon, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        total += tl.load(x + row * columns + i, mask=i < columns, other=0.0)
    mean = tl.sum(total, axis=0) / columns
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        distance = tl.load(x + row * columns + i, mask=i < columns, other=0.0) - mean
        total += tl.where(i < columns, distance * distance, 0.0)
    inverse = tl.rsqrt(tl.sum(total, axis=0) / columns + epsilon)
    tl.store(deviation + row, inverse)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        inside = i < columns
        value = (tl.load(x + row * columns + i, mask=inside, other=0.0) - mean) * inverse
        value = value * tl.load(weight + i, mask=inside) + tl.load(bias + i, mask=inside)
        tl.store(out + row * columns + i, value, mask=inside)


@triton.jit
def matmul(a, b, c, M, N, K, SUM: tl.constexpr, TILE_M: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr):
    row = tl.program_id(0) * TILE_M + tl.arange(0, TILE_M)
    column = tl.program_id(1) * TILE_N + tl.arange(0, TILE_N)
    total = tl.zeros((TILE_M, TILE_N), SUM)
    for start in range(0, K, TILE_K):
        k = start + tl.arange(0, TILE_K)
        inside_a = (row[:, None] < M) & (k[None, :] < K)
        inside_b = (k[:, None] < K) & (column[None, :] < N)
        left = tl.load(a + row[:, None] * K + k[None, :], mask=inside_a, other=0.0)
        right = tl.load(b + k[:, None] * N + column[None, :], mask=inside_b, other=0.0)
        total = tl.dot(left, right, total, out_dtype=SUM)
    inside = (row[:, None] < M) & (column[None, :] < N)
    tl.store(c + row[:, None] * N + column[None, :], total, mask=inside)


@triton.jit
def matmul_whole(a, b, c, N, K, TILE_M: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr):
    row = tl.program_id(0) * TILE_M + tl.arange(0, TILE_M)
    column = tl.program_id(1) * TILE_N + tl.arange(0, TILE_N)
    k = tl.arange(0, TILE_K)
    left = a + row[:, None] * K + k[None, :]
    right = b + k[:, None] * N + column[None, :]
    total = tl.zeros((TILE_M, TILE_N), tl.float32)
    for _ in range(0, K, TILE_K):
        total = tl.dot(tl.load(left), tl.load(right), total)
        left += TILE_K
        right += TILE_K * N
    tl.store(c + row[:, None] * N + column[None, :], total)


@triton.jit
def attention(q, k, v, out, KEYS, scale, ROWS: tl.constexpr, TILE: tl.constexpr, DEPTH: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    depth = tl.arange(0, DEPTH)
    query = tl.load(q + row[:, None] * DEPTH + depth[None, :])
    highest = tl.full((ROWS,), float("-inf"), tl.float32)
    weight = tl.zeros((ROWS,), tl.float32)
    total = tl.zeros((ROWS, DEPTH), tl.float32)
    for start in range(0, KEYS, TILE):
        key = start + tl.arange(0, TILE)
        inside = key < KEYS
        keys = tl.load(k + key[:, None] * DEPTH + depth[None, :], mask=inside[:, None], other=0.0)
        score = tl.dot(query, tl.trans(keys)) * scale
        score = tl.where(inside[None, :], score, float("-inf"))
        above = tl.maximum(highest, tl.max(score, axis=1))
        share = tl.exp(score - above[:, None])
        shrink = tl.exp(highest - above)
        weight = weight * shrink + tl.sum(share, axis=1)
        values = tl.load(v + key[:, None] * DEPTH + depth[None, :], mask=inside[:, None], other=0.0)
        total = tl.dot(share.to(tl.float16), values, total * shrink[:, None])
        highest = above
    tl.store(out + row[:, None] * DEPTH + depth[None, :], total / weight[:, None])


@triton.jit
def atomic_sum(x, total, largest, count, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    value = tl.load(x + i, mask=inside, other=0.0)
    tl.atomic_add(total, tl.sum(value, axis=0))
    tl.atomic_max(largest, tl.max(value, axis=0))
    tl.atomic_add(count, tl.sum((value > 0.5).to(tl.int32), axis=0))


@triton.jit
def atomic_scatter(x, place, sums, halves, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    value = tl.load(x + i, mask=inside, other=0.0)
    where = tl.load(place + i, mask=inside, other=0)
    tl.atomic_add(sums + where, value, mask=inside)
    tl.atomic_add(halves + where, value.to(tl.float16), mask=inside, sem="relaxed")


@triton.jit
def locked_sum(x, lock, total, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    part = tl.sum(tl.load(x + i, mask=i < n, other=0.0), axis=0)
    while tl.atomic_cas(lock, 0, 1) == 1:
        pass
    tl.store(total, tl.load(total) + part)
    # The barrier orders the store of one thread before the release, which may be another's.
    tl.debug_barrier()
    tl.atomic_xchg(lock, 0)


@triton.jit
def reduce_rows(x, sums, largest, place, products, rows, columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    value = tl.load(x + row[:, None] * columns + column[None, :], mask=inside, other=0.0)
    tl.store(sums + row, tl.sum(value, axis=1), mask=row < rows)
    below = tl.where(inside, value, float("-inf"))
    tl.store(largest + row, tl.max(below, axis=1), mask=row < rows)
    tl.store(place + row, tl.argmax(below, axis=1), mask=row < rows)
    partial = tl.sum(tl.where(inside, value * value, 0.0), axis=0)
    tl.atomic_add(products + column, partial, mask=column < columns)


@triton.jit
def scan(x, sums, largest, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    value = tl.load(x + row * columns + i, mask=inside, other=0.0)
    tl.store(sums + row * columns + i, tl.cumsum(value, axis=0), mask=inside)
    tl.store(largest + row * columns + i, tl.cumsum(value.to(tl.int32), axis=0, reverse=True), mask=inside)


@triton.jit
def segments(x, starts, sums, BLOCK: tl.constexpr):
    segment = tl.program_id(0)
    at = tl.load(starts + segment)
    end = tl.load(starts + segment + 1)
    total = tl.zeros((BLOCK,), tl.float32)
    while at < end:
        i = at + tl.arange(0, BLOCK)
        total += tl.load(x + i, mask=i < end, other=0.0)
        at += BLOCK
    tl.store(sums + segment, tl.sum(total, axis=0))


@triton.jit
def sort_and_count(x, sorted_x, counts, BLOCK: tl.constexpr, BINS: tl.constexpr):
    i = tl.arange(0, BLOCK)
    value = tl.load(x + i)
    tl.store(sorted_x + i, tl.sort(value))
    tl.store(counts + tl.arange(0, BINS), tl.histogram(value, BINS))


@triton.jit
def random_bits(seed, out, uniform, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.randint(seed, i), mask=i < n)
    tl.store(uniform + i, tl.rand(seed, i), mask=i < n)


@triton.jit
def integers(x, y, quotient, mixed, wide, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    a = tl.load(x + i, mask=inside, other=0)
    b = tl.load(y + i, mask=inside, other=1)
    tl.store(quotient + i, a // b + a % b, mask=inside)
    tl.store(mixed + i, ((a << 3) ^ (b >> 1)) | (a & 5), mask=inside)
    tl.store(wide + i, a.to(tl.int64) * b.to(tl.int64) * 1000003, mask=inside)
