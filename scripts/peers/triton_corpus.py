#!/usr/bin/env python3
"""Compiles triton_kernels.py to PTX, without a GPU, into tests/simt/triton/: input of the simulated GPU that nobody
here wrote.

    python3 -m venv .cache/triton
    .cache/triton/bin/pip install triton==3.9.0 numpy
    .cache/triton/bin/python scripts/peers/triton_corpus.py            # writes
    .cache/triton/bin/python scripts/peers/triton_corpus.py --check    # compiles again and compares

For every kernel there are NAME.ptx, as Triton made it, and NAME.json: its launch, its arguments and what it must
compute, by numpy in f64 (integers exactly). The PTX names no folder of the machine, and keeps its DWARF sections (but for
.debug_str, to which .loc refers) only where a case says so, for they are half of it. Inputs are not stored: element i of a buffer whose fill is {"seed": s, "modulus": m, "divisor": d, "offset": o} is

    ((((i + s) * 2654435761) mod 2^32) >> 8) mod m / d - o        (for integers / is a floor division)

which every dtype that is used here holds exactly; {"codes": [...], "seed": s} takes element ((…) >> 8) mod length of
the list as raw bits; {"values": [...]} are the elements; {"zero": true} is what it says. A buffer without a fill is
unwritten before the launch. A result is right if |result - expected| <= absolute + relative * |expected|.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile

# Before Triton is imported: nothing from another run's cache, and contraction as Triton 3.9 does it by default.
os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-corpus-")
os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"

try:
    import numpy as np
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
except ImportError as missing:
    sys.exit(f"triton_corpus: {missing}: see the head of this script")

import triton_kernels as kernels
import triton.language as tl

VERSION = "3.9.0"
FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "tests" / "simt" / "triton"
TYPES = {"f16": "fp16", "bf16": "bf16", "f32": "fp32", "f64": "fp64", "s8": "i8", "s32": "i32", "s64": "i64",
         "e4m3": "fp8e4nv"}
INTEGERS = {"s8", "s32", "s64"}
# E4M3 codes with their values: 0, ±1, ±2, ±0.5, ±3, 2^-9.
E4M3 = {0x00: 0.0, 0x38: 1.0, 0xb8: -1.0, 0x40: 2.0, 0xc0: -2.0, 0x30: 0.5, 0xb0: -0.5, 0x44: 3.0, 0xc4: -3.0,
        0x01: 2.0**-9}


def hashes(count, seed):
    i = np.arange(count, dtype=np.uint64) + np.uint64(seed)
    return ((i * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)) >> np.uint64(8)


class Buffer:
    """Device memory that is read, and perhaps written. `value` holds its elements as numpy's f64 or i64."""

    def __init__(self, dtype, shape, fill):
        self.dtype, self.fill = dtype, fill
        self.shape = shape if isinstance(shape, tuple) else (shape,)
        count = int(np.prod(self.shape))
        kind = np.int64 if dtype in INTEGERS else np.float64
        if "zero" in fill:
            value = np.zeros(count, kind)
        elif "values" in fill:
            value = np.array(fill["values"], kind)
        elif "codes" in fill:
            codes = hashes(count, fill["seed"]) % np.uint64(len(fill["codes"]))
            value = np.array([E4M3[fill["codes"][int(code)]] for code in codes])
        else:
            value = (hashes(count, fill["seed"]) % np.uint64(fill["modulus"])).astype(np.int64)
            value = value // fill["divisor"] if dtype in INTEGERS else value / fill["divisor"]
            value = (value - fill["offset"]).astype(kind)
        self.value = value.reshape(self.shape)

    def json(self):
        return {"buffer": self.dtype, "length": int(np.prod(self.shape)), "fill": self.fill}


def real(dtype, shape, seed, low=-1, steps=2048):
    """Multiples of 2 / steps from `low` to `low` + 2, which f16 holds where steps is at most 2048, bf16 at 256."""
    return Buffer(dtype, shape, {"seed": seed, "modulus": steps + 1, "divisor": steps // 2, "offset": -low})


def whole(dtype, shape, seed, low, high):
    return Buffer(dtype, shape, {"seed": seed, "modulus": high - low + 1, "divisor": 1, "offset": -low})


def zeros(dtype, shape):
    return Buffer(dtype, shape, {"zero": True})


class Output:
    """What a buffer must hold after the launch; `start` is the buffer before it, if that matters."""

    def __init__(self, dtype, expected, absolute=0.0, relative=0.0, start=None):
        self.dtype, self.expected, self.start = dtype, np.asarray(expected), start
        self.absolute, self.relative = absolute, relative

    def json(self):
        argument = {"buffer": self.dtype, "length": int(self.expected.size)}
        if self.start is not None:
            argument["fill"] = self.start.fill
        # All digits where they matter.
        exact = self.dtype in INTEGERS or self.absolute + self.relative < 1e-9
        flat = self.expected.reshape(-1).tolist()
        argument["expected"] = flat if exact else [float(f"{x:.8g}") for x in flat]
        argument["absolute"], argument["relative"] = self.absolute, self.relative
        return argument


class Case:
    def __init__(self, kernel, target, grid, arguments, constants, warps=4, stages=2, aligned=(), name=None,
                 refused=None, dwarf=False):
        self.kernel, self.target, self.constants = kernel, target, constants
        self.grid = list(grid) + [1] * (3 - len(grid))
        self.arguments, self.warps, self.stages = arguments, warps, stages
        self.aligned, self.refused, self.dwarf = aligned, refused, dwarf
        self.name = name or kernel.fn.__name__

    def signature(self):
        names = self.kernel.arg_names
        signature, attributes = {}, {}
        for index, name in enumerate(names):
            if name in self.constants:
                signature[name] = "constexpr"
                continue
            argument = self.arguments[index]
            if isinstance(argument, (Buffer, Output)):
                signature[name] = "*" + TYPES[argument.dtype]
            else:
                signature[name] = TYPES[argument[0]]
            if name in self.aligned:
                attributes[(index,)] = [["tt.divisibility", 16]]
        return signature, attributes

    def compile(self):
        signature, attributes = self.signature()
        source = ASTSource(fn=self.kernel, signature=signature, constexprs=self.constants, attrs=attributes)
        options = {"num_warps": self.warps, "num_stages": self.stages}
        made = triton.compile(source, target=GPUTarget("cuda", self.target, 32), options=options)
        ptx = made.asm["ptx"].replace(str(pathlib.Path(triton.__file__).parent.parent), "")
        # A comment that says again what a .loc says: a sixth of the text.
        ptx = re.sub(r"(\t\.loc\t[^\n]*?) *//[^\n]*", r"\1", ptx)
        if not self.dwarf:
            ptx = re.sub(r"\n\t\.section\t\.debug_(?!str)\w+\s*\{.*?\}", "", ptx, flags=re.S)
        return ptx, made.metadata

    def json(self, ptx, metadata):
        arguments = [x.json() if isinstance(x, (Buffer, Output)) else {"scalar": x[0], "value": x[1]}
                     for x in self.arguments]
        # Triton's own last arguments: scratch memory, of which these kernels need none.
        assert metadata.global_scratch_size == 0 and metadata.profile_scratch_size == 0
        names = re.search(r"\.entry \w+\((.*?)\)", ptx, re.S)[1].count(".param")
        arguments += [{"scalar": "s64", "value": 0}] * (names - len(arguments))
        case = {
            "ptx": f"{self.name}.ptx",
            "sha256": hashlib.sha256(ptx.encode()).hexdigest(),
            "triton": triton.__version__,
            "entry": metadata.name,
            "grid": self.grid,
            "block": [self.warps * 32, 1, 1],
            "shared_bytes": metadata.shared,
            "arguments": arguments,
        }
        return case if self.refused is None else {"ptx": case["ptx"], "sha256": case["sha256"],
                                                  "triton": case["triton"], "refused": self.refused}


def vector_add():
    n = 450
    x, y = real("f32", n, 1), real("f32", n, 2)
    # Multiples of 2^-10 below 2: exact.
    return Case(kernels.vector_add, 75, [4], [x, y, Output("f32", x.value + y.value), ("s32", n)], {"BLOCK": 128},
                dwarf=True)


def convert():
    n = 200
    x = real("f32", n, 3, steps=1 << 21)
    # Half a unit in the last place; conversions to integers cut. f32 rounds the product, so allow a step of 1.
    outputs = [Output("f16", x.value, 2.0**-25, 2.0**-11), Output("bf16", x.value, 0.0, 2.0**-8),
               Output("s32", np.trunc(x.value * 1000).astype(np.int64), 1),
               Output("s8", np.trunc(x.value * 100).astype(np.int64), 1)]
    return Case(kernels.convert, 80, [2], [x, *outputs, ("s32", n)], {"BLOCK": 128})


def half_arithmetic():
    n = 300
    x, y = real("f16", n, 4), real("f16", n, 5)
    product = Output("f16", x.value * y.value - x.value, 2.0**-9)
    return Case(kernels.half_arithmetic, 80, [2],
                [x, y, product, Output("f16", np.maximum(x.value, y.value)), ("s32", n)], {"BLOCK": 256})


def functions():
    n = 200
    x = real("f32", n, 6, low=0.125, steps=1 << 20)
    value = x.value
    erf = np.vectorize(__import__("math").erf)
    # .approx instructions keep 2^-22 or so; sums of three of them, and exp through ex2, lose a little more.
    loose = {"absolute": 4e-6, "relative": 4e-6}
    outputs = [np.exp(value), np.log(value), np.sqrt(value) + 1 / np.sqrt(value),
               np.sin(value) + np.cos(value) + erf(value), 1 / (1 + np.exp(-value)),
               1 / value + np.floor(value) / 3]
    return Case(kernels.functions, 80, [2], [x, *[Output("f32", out, **loose) for out in outputs], ("s32", n)],
                {"BLOCK": 128})


def softmax():
    rows, columns = 5, 99
    x = real("f32", (rows, columns), 7, low=-1)
    weight = np.exp(x.value - x.value.max(axis=1, keepdims=True))
    out = Output("f32", weight / weight.sum(axis=1, keepdims=True), 0.0, 1e-5)
    return Case(kernels.softmax, 80, [rows], [x, out, ("s32", columns)], {"BLOCK": 128})


def layer_norm():
    rows, columns, epsilon = 3, 150, 2.0**-16
    x, weight, bias = real("f32", (rows, columns), 8), real("f32", columns, 9), real("f32", columns, 10)
    centred = x.value - x.value.mean(axis=1, keepdims=True)
    inverse = 1 / np.sqrt((centred**2).mean(axis=1) + epsilon)
    out = centred * inverse[:, None] * weight.value + bias.value
    return Case(kernels.layer_norm, 75, [rows],
                [x, weight, bias, Output("f32", out, 1e-5), Output("f32", inverse, 0.0, 1e-5), ("s32", columns),
                 ("f32", epsilon)], {"BLOCK": 64}, warps=2)


def matmul(name, target, a_type, sum_type, constant, tiles=(32, 32, 32), size=(35, 13, 50), absolute=1e-5, **more):
    m, n, k = size
    if a_type == "e4m3":
        codes = {"codes": list(E4M3)}
        a, b = Buffer(a_type, (m, k), codes | {"seed": 11}), Buffer(a_type, (k, n), codes | {"seed": 12})
    elif a_type in INTEGERS:
        a, b = whole(a_type, (m, k), 11, -128, 127), whole(a_type, (k, n), 12, -128, 127)
    else:
        steps = {"bf16": 256, "f64": 1 << 21}.get(a_type, 2048)
        a, b = real(a_type, (m, k), 11, steps=steps), real(a_type, (k, n), 12, steps=steps)
    c = Output(sum_type, a.value @ b.value, absolute)
    grid = [-(-m // tiles[0]), -(-n // tiles[1])]
    constants = {"SUM": constant, **dict(zip(["TILE_M", "TILE_N", "TILE_K"], tiles))}
    return Case(kernels.matmul, target, grid, [a, b, c, ("s32", m), ("s32", n), ("s32", k)], constants, name=name,
                **more)


def matmul_whole(name, target, size=(32, 32, 96), tiles=(32, 32, 32), **more):
    m, n, k = size
    a, b = real("f16", (m, k), 13), real("f16", (k, n), 14)
    return Case(kernels.matmul_whole, target, [m // tiles[0], n // tiles[1]],
                [a, b, Output("f32", a.value @ b.value, 2e-5), ("s32", n), ("s32", k)],
                dict(zip(["TILE_M", "TILE_N", "TILE_K"], tiles)), aligned=("a", "b", "c", "N", "K"), name=name, **more)


def attention():
    rows, keys, depth, scale = 32, 40, 16, 0.25
    q, k, v = (real("f16", (length, depth), seed) for length, seed in ((rows, 15), (keys, 16), (keys, 17)))
    score = q.value @ k.value.T * scale
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    out = weight @ v.value / weight.sum(axis=1, keepdims=True)
    # Weights of at most 1 are rounded to f16 before the second product.
    return Case(kernels.attention, 80, [rows // 16],
                [q, k, v, Output("f32", out, 1e-3), ("s32", keys), ("f32", scale)],
                {"ROWS": 16, "TILE": 16, "DEPTH": depth}, warps=2)


def atomic_sum():
    n = 1000
    x = real("f32", n, 18, steps=1 << 21)
    total = Output("f32", [x.value.sum()], 1e-3, start=zeros("f32", 1))
    largest = Output("f32", [x.value.max()], start=zeros("f32", 1))
    count = Output("s32", [(x.value > 0.5).sum()], start=zeros("s32", 1))
    return Case(kernels.atomic_sum, 80, [8], [x, total, largest, count, ("s32", n)], {"BLOCK": 128})


def atomic_scatter():
    n, bins = 700, 13
    x, place = real("f32", n, 19), whole("s32", n, 20, 0, bins - 1)
    sums = np.bincount(place.value, x.value, bins)
    return Case(kernels.atomic_scatter, 80, [3],
                [x, place, Output("f32", sums, 1e-4, start=zeros("f32", bins)),
                 Output("f16", sums, 0.25, start=zeros("f16", bins)), ("s32", n)], {"BLOCK": 256})


def locked_sum():
    n = 600
    x = real("f32", n, 21)
    return Case(kernels.locked_sum, 80, [5],
                [x, Output("s32", [0], start=zeros("s32", 1)),
                 Output("f32", [x.value.sum()], 1e-3, start=zeros("f32", 1)), ("s32", n)], {"BLOCK": 128}, warps=2)


def reduce_rows():
    rows, columns = 11, 50
    # Distinct values, so that the place of the largest is unique.
    x = real("f32", (rows, columns), 22, steps=1 << 21)
    value = x.value
    return Case(kernels.reduce_rows, 80, [3],
                [x, Output("f32", value.sum(axis=1), 1e-4), Output("f32", value.max(axis=1)),
                 Output("s32", value.argmax(axis=1)),
                 Output("f32", (value**2).sum(axis=0), 1e-4, start=zeros("f32", columns)), ("s32", rows),
                 ("s32", columns)], {"ROWS": 4, "COLUMNS": 64})


def scan():
    rows, columns = 2, 120
    # Multiples of 2^-10 below 2^13: exact.
    x = real("f32", (rows, columns), 23)
    integers = np.trunc(x.value).astype(np.int64)
    return Case(kernels.scan, 80, [rows],
                [x, Output("f32", np.cumsum(x.value, axis=1)),
                 Output("s32", np.cumsum(integers[:, ::-1], axis=1)[:, ::-1]), ("s32", columns)], {"BLOCK": 128})


def segments():
    starts = [0, 3, 3, 70, 71, 200, 256]
    x = real("f32", starts[-1], 24)
    sums = [x.value[a:b].sum() for a, b in zip(starts, starts[1:])]
    return Case(kernels.segments, 75, [len(sums)],
                [x, Buffer("s32", len(starts), {"values": starts}), Output("f32", sums)], {"BLOCK": 32}, warps=1, dwarf=True)


def sort_and_count():
    n, bins = 64, 16
    x = whole("s32", n, 25, 0, bins - 1)
    return Case(kernels.sort_and_count, 80, [1],
                [x, Output("s32", np.sort(x.value)), Output("s32", np.bincount(x.value, minlength=bins))],
                {"BLOCK": n, "BINS": bins}, warps=1)


def philox(seed, count):
    """Philox4x32-10 (Salmon et al., SC 2011) with counters (i, 0, 0, 0); the first word of each."""
    key = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    words = []
    for i in range(count):
        counter = [i, 0, 0, 0]
        k0, k1 = key
        for _ in range(10):
            high0, low0 = divmod(0xD2511F53 * counter[0], 1 << 32)
            high1, low1 = divmod(0xCD9E8D57 * counter[2], 1 << 32)
            counter = [high1 ^ counter[1] ^ k0, low1, high0 ^ counter[3] ^ k1, low0]
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        words.append(counter[0])
    return np.array(words, dtype=np.uint32)


def random_bits():
    n, seed = 150, 1234567
    words = philox(seed, n).view(np.int32).astype(np.int64)
    # Triton folds the sign: negative words count as -x - 1, then a step of nearly 2^-31.
    uniform = np.where(words < 0, -words - 1, words) * 4.6566127342e-10
    return Case(kernels.random_bits, 80, [2],
                [("s32", seed), Output("s32", words), Output("f32", uniform, 0.0, 1e-6), ("s32", n)], {"BLOCK": 128})


def integers():
    n = 200
    x, y = whole("s32", n, 26, -100000, 100000), whole("s32", n, 27, 1, 300)
    a, b = x.value, y.value
    # Triton's // and % cut, as C's.
    quotient = np.trunc(a / b).astype(np.int64)
    return Case(kernels.integers, 80, [2],
                [x, y, Output("s32", quotient + (a - quotient * b)), Output("s32", ((a << 3) ^ (b >> 1)) | (a & 5)),
                 Output("s64", a * b * 1000003), ("s32", n)], {"BLOCK": 128})


CASES = [
    vector_add, convert, half_arithmetic, functions, softmax, layer_norm,
    lambda: matmul("matmul_f16_turing", 75, "f16", "f32", tl.float32),
    lambda: matmul("matmul_f16", 80, "f16", "f32", tl.float32),
    lambda: matmul("matmul_f16_sum", 80, "f16", "f16", tl.float16, absolute=0.05),
    lambda: matmul("matmul_bf16", 80, "bf16", "f32", tl.float32),
    lambda: matmul("matmul_tf32", 80, "f32", "f32", tl.float32),
    lambda: matmul("matmul_s8", 80, "s8", "s32", tl.int32, absolute=0),
    lambda: matmul("matmul_f64", 80, "f64", "f64", tl.float64, tiles=(16, 16, 16), size=(19, 17, 21), absolute=1e-12),
    lambda: matmul("matmul_e4m3", 89, "e4m3", "f32", tl.float32, absolute=0.05),
    lambda: matmul_whole("matmul_pipelined", 80, stages=3),
    lambda: matmul_whole("matmul_hopper", 90, stages=3),
    lambda: matmul_whole("matmul_wgmma", 90, size=(64, 64, 128), tiles=(64, 64, 64), refused=["wgmma", "fence.proxy"]),
    attention, atomic_sum, atomic_scatter, locked_sum, reduce_rows, scan, segments, sort_and_count, random_bits,
    integers,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file would change")
    parser.add_argument("--only", help="the kernel of that name")
    options = parser.parse_args()
    if triton.__version__ != VERSION:
        sys.exit(f"triton_corpus: Triton {triton.__version__} is installed, the corpus is of {VERSION}")
    # The PTX names the kernels' file and its folder.
    for kernel in vars(kernels).values():
        if isinstance(kernel, triton.JITFunction):
            kernel.file_name = "/triton_kernels.py"
    FOLDER.mkdir(parents=True, exist_ok=True)
    changed, known = [], set()
    for make in CASES:
        case = make()
        known.add(case.name)
        if options.only and case.name != options.only:
            continue
        ptx, metadata = case.compile()
        text = json.dumps(case.json(ptx, metadata), indent=1)
        # Long lists on one line.
        text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n"
        for path, content in ((FOLDER / f"{case.name}.ptx", ptx), (FOLDER / f"{case.name}.json", text)):
            if not path.exists() or path.read_text() != content:
                changed.append(path.name)
                if not options.check:
                    path.write_text(content)
    stray = sorted(path.name for path in FOLDER.glob("*.json") if path.stem not in known)
    if options.check and (changed or stray):
        sys.exit(f"triton_corpus: these differ: {', '.join(changed + stray)}")
    print(f"triton_corpus: {len(known)} kernels, {len(changed)} files {'would change' if options.check else 'written'}")


if __name__ == "__main__":
    main()
