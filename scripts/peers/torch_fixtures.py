#!/usr/bin/env python3
"""Writes tests/fixtures/batch_norm/torch.json: PyTorch's own answers on the CPU for small, odd batch norms.

    python3 -m venv .cache/torch
    .cache/torch/bin/pip install torch numpy
    .cache/torch/bin/python scripts/peers/torch_fixtures.py

y, running_mean and running_var are those of torch.nn.functional.batch_norm, saved_mean and saved_invstd those of
torch.native_batch_norm, which it calls. Inputs are a fixed generator's; every number is stored as the hexadecimal
bits of its f32 or f16 value, so that nothing is lost. x and y of f16 cases are f16, with parameters in f32, as in
mixed-precision training. The file names torch's version.
"""

import json
import pathlib
import sys

try:
    import numpy
    import torch
except ImportError as missing:
    sys.exit(f"torch_fixtures: {missing}: see the head of this script")

FILE = pathlib.Path(__file__).resolve().parent.parent.parent / "tests" / "fixtures" / "batch_norm" / "torch.json"
# n, c, h, w, epsilon, momentum, offset and deviation of x
CASES = [
    (2, 3, 2, 2, 1e-5, 0.1, 0.0, 1.0),
    (5, 2, 1, 1, 1e-5, 0.1, 0.5, 2.0),
    (2, 1, 1, 1, 1e-5, 0.1, -1.0, 1.0),
    (3, 2, 7, 7, 1e-5, 0.1, 0.0, 1.0),
    (1, 3, 5, 9, 1e-3, 0.01, 1.0, 0.1),
    (1, 2, 3, 11, 1e-5, 1.0, 100.0, 0.01),
    (4, 1, 3, 8, 1e-2, 0.0, 0.0, 30.0),
]


def bits(tensor):
    array = tensor.detach().contiguous().numpy().reshape(-1)
    width = array.dtype.itemsize
    unsigned = array.view({2: numpy.uint16, 4: numpy.uint32}[width])
    return "".join(f"{value:0{2 * width}x}" for value in unsigned)


def case(index, dtype, n, c, h, w, epsilon, momentum, offset, deviation):
    generator = torch.Generator().manual_seed(index)
    x = (torch.randn(n, c, h, w, generator=generator) * deviation + offset).to(dtype)
    weight = torch.rand(c, generator=generator) + 0.5
    bias = torch.rand(c, generator=generator) - 0.5
    running_mean = torch.rand(c, generator=generator) - 0.5
    running_var = torch.rand(c, generator=generator) + 0.5

    after_mean, after_var = running_mean.clone(), running_var.clone()
    trained = torch.nn.functional.batch_norm(x, after_mean, after_var, weight, bias, True, momentum, epsilon)
    native = torch.native_batch_norm(x, weight, bias, running_mean.clone(), running_var.clone(), True, momentum,
                                     epsilon)
    evaluated = torch.nn.functional.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, epsilon)
    assert torch.equal(trained, native[0]), "native_batch_norm is not what batch_norm calls"
    return {
        "dtype": {torch.float32: "f32", torch.float16: "f16"}[dtype],
        "shape": f"n={n};c={c};h={h};w={w}",
        "setting": f"epsilon={epsilon};momentum={momentum}",
        "inputs": {"x": bits(x), "weight": bits(weight), "bias": bits(bias), "running_mean": bits(running_mean),
                   "running_var": bits(running_var)},
        "training": {"y": bits(trained), "saved_mean": bits(native[1]), "saved_invstd": bits(native[2]),
                     "running_mean": bits(after_mean), "running_var": bits(after_var)},
        "evaluation": {"y": bits(evaluated)},
    }


def main():
    torch.set_num_threads(1)
    cases = [case(index, dtype, *numbers) for index, numbers in enumerate(CASES)
             for dtype in (torch.float32, torch.float16)]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(each) for each in cases)
    FILE.write_text(f'{{"made_by": "torch {torch.__version__} on the CPU", "cases": [\n{lines}\n]}}\n')
    print(f"torch {torch.__version__}: {len(cases)} cases, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
