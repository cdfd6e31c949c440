#!/usr/bin/env python3
"""Compares numpy.sum with this program's reduce/fixed_tree: f32, 2^26 elements, one thread each, the same bytes.

    python3 -m venv .cache/peers
    .cache/peers/bin/pip install numpy
    .cache/peers/bin/python scripts/peers/numpy_peer.py [--rounds 5]

The program's side is criterion's bench `self_speed`. The two take turns, so that a machine that grows slower or
faster meanwhile disturbs both; each round gives one ratio, and the median of these is the answer. numpy.sum uses
one thread; its pairwise sum is another order of additions, so the two results differ in their last bits.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

try:
    import numpy
except ImportError:
    sys.exit("numpy_peer: numpy is missing: python3 -m venv .cache/peers && .cache/peers/bin/pip install numpy")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ELEMENTS = 1 << 26
BENCH = "fixed_tree 2^26 f32, 1 threads/fixed_tree"
CARGO = ["cargo", "bench", "--locked", "--features", "self-bench", "--bench", "self_speed", "--"]


def mix(z):
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def inputs(seed):
    """The bench's inputs: the distribution `normal` of src/input.rs, bit for bit."""
    key = mix(numpy.array([seed], numpy.uint64) ^ mix(numpy.array([0], numpy.uint64)))
    x = numpy.empty(ELEMENTS, numpy.float32)
    for start in range(0, ELEMENTS, 1 << 20):
        counter = numpy.arange(start, start + (1 << 20), dtype=numpy.uint64) * numpy.uint64(6)
        total = numpy.zeros(1 << 20, numpy.int64)
        for word in range(6):
            bits = mix(key + (counter + numpy.uint64(word)) * numpy.uint64(0x9E3779B97F4A7C15))
            total += ((bits & numpy.uint64(0xFFFFFFFF)) + (bits >> numpy.uint64(32))).astype(numpy.int64)
        x[start : start + (1 << 20)] = (total - 6 * 0xFFFFFFFF).astype(numpy.float32) * numpy.float32(2.0**-32)
    return x


def numpy_ns(x, seconds=3.0):
    """The median of numpy's times over about as long as criterion measures."""
    samples, end = [], time.perf_counter() + seconds
    x.sum()
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        x.sum()
        samples.append(time.perf_counter_ns() - start)
    return statistics.median(samples)


def program_ns(criterion):
    """The median that criterion finds, from the file that this very run wrote."""
    before = time.time()
    done = subprocess.run([*CARGO, f"^{re.escape(BENCH)}$"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"numpy_peer: cargo bench failed:\n{done.stdout[-2000:]}")
    for about in criterion.glob("**/new/benchmark.json"):
        estimates = about.with_name("estimates.json")
        if json.loads(about.read_text())["full_id"] == BENCH and estimates.stat().st_mtime >= before - 1:
            return json.loads(estimates.read_text())["median"]["point_estimate"]
    sys.exit(f"numpy_peer: no new estimate of \"{BENCH}\" in {criterion}")


def target_directory():
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], cwd=ROOT,
                              stdout=subprocess.PIPE, check=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how many rounds (default: 5)")
    rounds = max(1, parser.parse_args().rounds)
    criterion = target_directory() / "criterion"
    print("generating the inputs, compiling the bench", file=sys.stderr)
    x = inputs(1)
    program_ns(criterion)

    print("round  numpy.sum   fixed_tree  numpy's time / fixed_tree's")
    ratios = []
    for number in range(1, rounds + 1):
        # Whoever comes first in a round takes turns as well.
        if number % 2:
            theirs, ours = numpy_ns(x), program_ns(criterion)
        else:
            ours, theirs = program_ns(criterion), numpy_ns(x)
        ratios.append(theirs / ours)
        print(f"{number:5}  {theirs / 1e6:6.2f} ms  {ours / 1e6:8.2f} ms  {ratios[-1]:.3f}", flush=True)
    print(f"numpy {numpy.__version__}: fixed_tree is {statistics.median(ratios):.3f} times as fast "
          f"({min(ratios):.3f} to {max(ratios):.3f} over {rounds} rounds), one thread each, 2^26 f32")


if __name__ == "__main__":
    main()
