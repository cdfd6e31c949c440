"""numpy as a peer: computes what `samebits run --peer numpy` asks for, on the same inputs.

Started by samebits, which speaks JSON, a line per question and answer, and hands arrays over as raw files:

    {"do": "hello"}                              -> {"version": ...}
    {"do": "prepare", "id", "operation", "way", "shape", "setting", "inputs": {name: [file, dtype]}}  -> {}
    {"do": "execute", "id", "outputs": {name: file}}  -> {}
    {"do": "time", "id", "iterations"}           -> {"ns": ...}, the asking left out
    {"do": "forget", "id"}                       -> {}

An answer {"error": ...} is one line for the user.
"""

import json
import signal
import sys
import time

try:
    import numpy
except ImportError:
    numpy = None

DTYPES = {"f16": "<f2", "f32": "<f4"}


def pairs(text):
    return dict(part.split("=", 1) for part in text.split(";") if part)


def reduce_sum(shape, setting, x):
    rows = x.reshape(int(shape.get("r", 1)), -1) if x.size else numpy.zeros((int(shape.get("r", 1)), 0), x.dtype)
    return lambda: {"sum": rows.sum(axis=1, dtype=numpy.float32)}


def matmul(shape, setting, a, b):
    m, n, k = (int(shape[key]) for key in "mnk")
    a = a.reshape(k, m).T if shape.get("ta") == "1" else a.reshape(m, k)
    b = b.reshape(n, k).T if shape.get("tb") == "1" else b.reshape(k, n)
    return lambda: {"c": a @ b}


def normalised(x, mean, variance, epsilon, weight, bias):
    """The formula as its users write it; f32 throughout, stored in the type of x."""
    by_channel = (1, -1, 1, 1)
    inverse = (1 / numpy.sqrt(variance + epsilon)).astype(numpy.float32)
    wide = (x - mean.reshape(by_channel)) * (inverse * weight).reshape(by_channel) + bias.reshape(by_channel)
    return wide, inverse


def batch_norm_inputs(shape, setting, x):
    x = x.reshape([int(shape[key]) for key in "nchw"])
    return x, numpy.float32(setting.get("epsilon", 1e-5)), numpy.float32(setting.get("momentum", 0.1))


def batch_norm_train(shape, setting, x, weight, bias, running_mean, running_var):
    x, epsilon, momentum = batch_norm_inputs(shape, setting, x)
    count = x.size // max(x.shape[1], 1)

    def run():
        wide = x.astype(numpy.float32, copy=False)
        mean, variance = wide.mean(axis=(0, 2, 3)), wide.var(axis=(0, 2, 3))
        y, inverse = normalised(wide, mean, variance, epsilon, weight, bias)
        unbiased = variance * numpy.float32(count / (count - 1))
        return {
            "y": y.astype(x.dtype, copy=False),
            "y32": y,
            "saved_mean": mean,
            "saved_invstd": inverse,
            "running_mean": (1 - momentum) * running_mean + momentum * mean,
            "running_var": (1 - momentum) * running_var + momentum * unbiased,
        }

    return run


def batch_norm_eval(shape, setting, x, weight, bias, running_mean, running_var):
    x, epsilon, _ = batch_norm_inputs(shape, setting, x)

    def run():
        y, _ = normalised(x.astype(numpy.float32, copy=False), running_mean, running_var, epsilon, weight, bias)
        return {"y": y.astype(x.dtype, copy=False), "y32": y}

    return run


WAYS = {
    ("reduce", "sum"): reduce_sum,
    ("matmul", "matmul"): matmul,
    ("batch_norm", "formula_train"): batch_norm_train,
    ("batch_norm", "formula_eval"): batch_norm_eval,
}


def prepare(question):
    way = WAYS.get((question["operation"], question["way"]))
    if way is None:
        raise ValueError(f"no way \"{question['way']}\" for {question['operation']}")
    inputs = {name: numpy.fromfile(path, DTYPES[dtype]) for name, (path, dtype) in question["inputs"].items()}
    return way(pairs(question["shape"]), pairs(question["setting"]), **inputs)


def execute(run, files):
    outputs = run()
    for name, path in files.items():
        outputs[name].tofile(path)
    return {}


def timed(run, iterations):
    start = time.perf_counter_ns()
    for _ in range(iterations):
        run()
    return {"ns": time.perf_counter_ns() - start}


def answer(question, prepared):
    if numpy is None:
        return {"error": f"{sys.executable} has no numpy: run {sys.executable} -m pip install numpy"}
    match question["do"]:
        case "hello":
            return {"version": numpy.__version__}
        case "prepare":
            prepared[question["id"]] = prepare(question)
            return {}
        case "execute":
            return execute(prepared[question["id"]], question["outputs"])
        case "time":
            return timed(prepared[question["id"]], question["iterations"])
        case "forget":
            prepared.pop(question["id"], None)
            return {}
        case other:
            return {"error": f"unknown question {other}"}


def main():
    # Ctrl-C belongs to samebits, which ends this program when it has kept its rows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepared = {}
    for line in sys.stdin:
        try:
            said = answer(json.loads(line), prepared)
        except Exception as error:  # Whatever it is, it is an answer.
            said = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
