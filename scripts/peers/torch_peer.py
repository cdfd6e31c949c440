"""PyTorch as a peer: computes what `samebits run --peer torch` asks for, on the same inputs.

Started by samebits, once per setting, since some settings must precede the first computation. It speaks JSON, a line
per question and answer, and hands arrays over as raw files:

    {"do": "hello", "threads": 2, "deterministic": false}  -> {"version": ...}
    {"do": "prepare", "id", "operation", "way", "shape", "setting", "inputs": {name: [file, dtype]}}  -> {}
    {"do": "execute", "id", "outputs": {name: file}}  -> {}
    {"do": "time", "id", "iterations"}           -> {"ns": ...}, the asking left out
    {"do": "forget", "id"}                       -> {}

An answer {"error": ...} is one line for the user.
"""

import json
import pathlib
import signal
import sys
import time
import warnings

try:
    # Without numpy, torch warns of what is not needed here.
    warnings.simplefilter("ignore")
    import torch
except ImportError:
    torch = None


def pairs(text):
    return dict(part.split("=", 1) for part in text.split(";") if part)


def read(path, dtype):
    raw = bytearray(pathlib.Path(path).read_bytes())
    kind = {"f16": torch.float16, "f32": torch.float32}[dtype]
    return torch.frombuffer(raw, dtype=kind) if raw else torch.empty(0, dtype=kind)


def reduce_sum(shape, setting, x):
    rows = x.reshape(int(shape.get("r", 1)), -1) if x.numel() else x.new_zeros(int(shape.get("r", 1)), 0)
    return lambda: {"sum": torch.sum(rows, dim=1, dtype=torch.float32)}


def matmul(shape, setting, a, b):
    m, n, k = (int(shape[key]) for key in "mnk")
    a = a.reshape(k, m).T if shape.get("ta") == "1" else a.reshape(m, k)
    b = b.reshape(n, k).T if shape.get("tb") == "1" else b.reshape(k, n)
    return lambda: {"c": torch.matmul(a, b)}


def batch_norm_inputs(shape, setting, x):
    x = x.reshape([int(shape[key]) for key in "nchw"])
    return x, float(setting.get("epsilon", 1e-5)), float(setting.get("momentum", 0.1))


def batch_norm_train(shape, setting, x, weight, bias, running_mean, running_var):
    x, epsilon, momentum = batch_norm_inputs(shape, setting, x)

    def run():
        mean, variance = running_mean.clone(), running_var.clone()
        y, saved_mean, saved_invstd = torch.native_batch_norm(
            x, weight, bias, mean, variance, True, momentum, epsilon
        )
        return {
            "y": y,
            "saved_mean": saved_mean,
            "saved_invstd": saved_invstd,
            "running_mean": mean,
            "running_var": variance,
        }

    return run


def batch_norm_eval(shape, setting, x, weight, bias, running_mean, running_var):
    x, epsilon, momentum = batch_norm_inputs(shape, setting, x)

    def run():
        y, _, _ = torch.native_batch_norm(x, weight, bias, running_mean, running_var, False, momentum, epsilon)
        return {"y": y}

    return run


WAYS = {
    ("reduce", "sum"): reduce_sum,
    ("matmul", "matmul"): matmul,
    ("batch_norm", "batch_norm_train"): batch_norm_train,
    ("batch_norm", "batch_norm_eval"): batch_norm_eval,
}


def hello(question):
    torch.set_grad_enabled(False)
    torch.set_num_threads(question["threads"])
    torch.use_deterministic_algorithms(question["deterministic"])
    return {"version": torch.__version__}


def prepare(question):
    way = WAYS.get((question["operation"], question["way"]))
    if way is None:
        raise ValueError(f"no way \"{question['way']}\" for {question['operation']}")
    inputs = {name: read(path, dtype) for name, (path, dtype) in question["inputs"].items()}
    return way(pairs(question["shape"]), pairs(question["setting"]), **inputs)


def execute(run, files):
    outputs = run()
    for name, path in files.items():
        tensor = outputs[name].detach().cpu().contiguous().reshape(-1)
        raw = bytes(tensor.view(torch.uint8).untyped_storage()) if tensor.numel() else b""
        # The storage may be larger than what is looked at.
        pathlib.Path(path).write_bytes(raw[: tensor.numel() * tensor.element_size()])
    return {}


def timed(run, iterations):
    start = time.perf_counter_ns()
    for _ in range(iterations):
        run()
    return {"ns": time.perf_counter_ns() - start}


def answer(question, prepared):
    if torch is None:
        return {"error": f"{sys.executable} has no torch: run {sys.executable} -m pip install torch"}
    match question["do"]:
        case "hello":
            return hello(question)
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
