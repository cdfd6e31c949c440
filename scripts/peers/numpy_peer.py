"""numpy as a peer: computes what `samebits run --peer numpy` asks for, on the same inputs. protocol.py stands before it."""

import time

try:
    import numpy
except ImportError:
    numpy = None


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


class Prepared:
    def __init__(self, run):
        self.run = run

    def execute(self, files):
        outputs = self.run()
        for name, path in files.items():
            outputs[name].tofile(path)

    def time(self, iterations, cache):
        start = time.perf_counter_ns()
        for _ in range(iterations):
            self.run()
        return time.perf_counter_ns() - start


def hello(question):
    if numpy is None:
        raise Missing(f"{sys.executable} has no numpy: run {sys.executable} -m pip install numpy")
    return numpy.__version__


def prepare(question):
    way = WAYS.get((question["operation"], question["way"]))
    if way is None:
        raise ValueError(f"no way \"{question['way']}\" for {question['operation']}")
    inputs = {name: numpy.load(path) for name, path in question["inputs"].items()}
    return Prepared(way(pairs(question["shape"]), pairs(question["setting"]), **inputs))


serve(hello, prepare)
