#!/usr/bin/env python3
"""Compares the program's own speed with numpy's on the same kind of work, with the same number of threads.

    python3 -m venv .cache/peers
    .cache/peers/bin/pip install numpy
    .cache/peers/bin/python scripts/peers/numpy_ratios.py [--rounds 5] [NAME ...]

The program's side is criterion's bench `self_speed`. The two take turns, so that a machine that grows slower or
faster meanwhile disturbs both; each round gives one ratio, and the median of these is the answer.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

THREADS = len(os.sched_getaffinity(0))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))

try:
    import numpy
except ImportError:
    sys.exit("numpy_ratios: numpy is missing: python3 -m venv .cache/peers && .cache/peers/bin/pip install numpy")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CARGO = ["cargo", "bench", "--locked", "--features", "self-bench", "--bench", "self_speed", "--"]
RANDOM = numpy.random.default_rng(1)


def total(elements):
    x = RANDOM.standard_normal(elements, numpy.float32)
    return x.sum


def product(size, dtype):
    a, b = (RANDOM.standard_normal((size, size)).astype(dtype) for _ in range(2))
    return lambda: a @ b


# What is compared: the name of the program's bench, what numpy does, its threads.
COMPARED = {
    "sum": ("fixed_tree 2^26 f32, 1 threads/fixed_tree", lambda: total(1 << 26), 1),
    "reference-1024": ("matmul 1024/reference f64", lambda: product(1024, numpy.float64), THREADS),
    "reference-2048": ("matmul 2048/reference f64", lambda: product(2048, numpy.float64), THREADS),
    "tiled-1024": ("matmul 1024/tiled f32", lambda: product(1024, numpy.float32), THREADS),
}


def numpy_ns(work, seconds=3.0):
    """The median of numpy's times over about as long as criterion measures."""
    samples, end = [], time.perf_counter() + seconds
    work()
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        work()
        samples.append(time.perf_counter_ns() - start)
    return statistics.median(samples)


def program_ns(criterion, bench):
    """The median that criterion finds, from the file that this very run wrote."""
    before = time.time()
    done = subprocess.run([*CARGO, f"^{re.escape(bench)}$"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"numpy_ratios: cargo bench failed:\n{done.stdout[-2000:]}")
    for about in criterion.glob("**/new/benchmark.json"):
        estimates = about.with_name("estimates.json")
        if json.loads(about.read_text())["full_id"] == bench and estimates.stat().st_mtime >= before - 1:
            return json.loads(estimates.read_text())["median"]["point_estimate"]
    sys.exit(f"numpy_ratios: no new estimate of \"{bench}\" in {criterion}")


def target_directory():
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], cwd=ROOT,
                              stdout=subprocess.PIPE, check=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"])


def compare(name, rounds, criterion):
    bench, make, threads = COMPARED[name]
    work, ratios = make(), []
    for number in range(rounds):
        # Whoever comes first in a round takes turns as well.
        if number % 2:
            ours, theirs = program_ns(criterion, bench), numpy_ns(work)
        else:
            theirs, ours = numpy_ns(work), program_ns(criterion, bench)
        ratios.append(theirs / ours)
        print(f"{name}: numpy {theirs / 1e6:.2f} ms, {bench} {ours / 1e6:.2f} ms, ratio {ratios[-1]:.3f}", flush=True)
    return (f"{name}: {statistics.median(ratios):.3f} times as fast as numpy {numpy.__version__} "
            f"({min(ratios):.3f} to {max(ratios):.3f} over {rounds} rounds), threads {threads}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how many rounds (default: 5)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to compare: {', '.join(COMPARED)}")
    flags = parser.parse_args()
    unknown = [name for name in flags.names if name not in COMPARED]
    if unknown:
        sys.exit(f"numpy_ratios: unknown {unknown[0]}; known: {', '.join(COMPARED)}")
    criterion = target_directory() / "criterion"
    summaries = [compare(name, max(1, flags.rounds), criterion) for name in flags.names or COMPARED]
    print("", *summaries, sep="\n")


if __name__ == "__main__":
    main()
