"""PyTorch as a peer: computes what `samebits run --peer torch` asks for, on the same inputs. protocol.py stands before it.

samebits starts it once per setting, since some must precede the first computation. On the CPU times are wall time; on a
GPU they lie between events around each call, after the cache was flushed ("cold") or a delay ("hot"), which also hide
the time that Python takes to launch the call.
"""

import ctypes
import time
import warnings

try:
    # Without numpy, torch warns of what is not needed here.
    warnings.simplefilter("ignore")
    import torch
except ImportError:
    torch = None

# Nanoseconds of a call in which it does not show that a thread had to be woken.
LONG = 5_000_000
# Calls that are enqueued before waiting for them.
BATCH = 64
# Flushing takes long enough to hide launches if at least so many bytes are filled.
LEAST_CACHE = 8 << 20
# Cycles of a GPU's clock, about 0.1 ms, that hide the launches of one call.
DELAY = 200_000


def numbers(shape, keys):
    return [int(shape[key]) for key in keys]


def reduce_sum(shape, setting, x):
    rows = x.reshape(int(shape.get("r", 1)), -1) if x.numel() else x.new_zeros(int(shape.get("r", 1)), 0)
    return lambda: {"sum": torch.sum(rows, dim=1, dtype=torch.float32)}


def matmul(shape, setting, a, b):
    m, n, k = numbers(shape, "mnk")
    a = a.reshape(k, m).T if shape.get("ta") == "1" else a.reshape(m, k)
    b = b.reshape(n, k).T if shape.get("tb") == "1" else b.reshape(k, n)
    return lambda: {"c": torch.matmul(a, b)}


class batch_norm_train:
    def __init__(self, shape, setting, x, weight, bias, running_mean, running_var):
        self.inputs = x.reshape(numbers(shape, "nchw")), weight, bias
        self.running = running_mean, running_var
        self.updated = running_mean.clone(), running_var.clone()
        self.momentum, self.epsilon = float(setting.get("momentum", 0.1)), float(setting.get("epsilon", 1e-5))

    def reset(self):
        """Before an execution that is compared, not before one that is timed."""
        for updated, before in zip(self.updated, self.running):
            updated.copy_(before)

    def __call__(self):
        y, mean, invstd = torch.native_batch_norm(*self.inputs, *self.updated, True, self.momentum, self.epsilon)
        return {"y": y, "saved_mean": mean, "saved_invstd": invstd, "running_mean": self.updated[0],
                "running_var": self.updated[1]}


def batch_norm_eval(shape, setting, x, weight, bias, running_mean, running_var):
    x = x.reshape(numbers(shape, "nchw"))
    momentum, epsilon = float(setting.get("momentum", 0.1)), float(setting.get("epsilon", 1e-5))

    def run():
        y, _, _ = torch.native_batch_norm(x, weight, bias, running_mean, running_var, False, momentum, epsilon)
        return {"y": y}

    return run


def convolution(shape):
    stride, pad = int(shape.get("stride", 1)), int(shape.get("pad", 0))
    return [stride, stride], [pad, pad]


def conv2d(shape, setting, x, weight, bias):
    x, weight = x.reshape(numbers(shape, "nchw")), weight.reshape(numbers(shape, "kcrs"))
    stride, pad = convolution(shape)
    return lambda: {"y": torch.nn.functional.conv2d(x, weight, bias, stride, pad)}


def conv2d_backward(shape, setting, grad_y, x, weight):
    n, c, h, w, k = numbers(shape, "nchwk")
    x, weight = x.reshape(n, c, h, w), weight.reshape(numbers(shape, "kcrs"))
    stride, pad = convolution(shape)
    height, width = ((extent + 2 * pad[0] - tap) // stride[0] + 1 for extent, tap in zip((h, w), weight.shape[2:]))
    grad_y = grad_y.reshape(n, k, height, width)

    def run():
        of_input, of_weight, of_bias = torch.ops.aten.convolution_backward(
            grad_y, x, weight, [k], stride, pad, [1, 1], False, [0, 0], 1, [True, True, True]
        )
        return {"grad_input": of_input, "grad_weight": of_weight, "grad_bias": of_bias}

    return run


def index_add(shape, setting, x, index):
    rows, columns, count = numbers(shape, "rcn")
    x, index, zeros = x.reshape(count, columns), index.to(torch.int64), x.new_zeros(rows, columns)
    return lambda: {"sums": torch.index_add(zeros, 0, index, x)}


def cumsum(shape, setting, x):
    x = x.reshape(numbers(shape, "rc"))
    return lambda: {"sums": torch.cumsum(x, 1)}


WAYS = {
    ("reduce", "sum"): reduce_sum,
    ("matmul", "matmul"): matmul,
    ("batch_norm", "batch_norm_train"): batch_norm_train,
    ("batch_norm", "batch_norm_eval"): batch_norm_eval,
    ("conv2d", "conv2d"): conv2d,
    ("conv2d_backward", "conv2d_backward"): conv2d_backward,
    ("index_add", "index_add"): index_add,
    ("cumsum", "cumsum"): cumsum,
}


def refusals(run):
    """What `run` gives; what torch will not do is told apart from what went wrong."""
    try:
        return run()
    except RuntimeError as error:
        said = str(error)
        if isinstance(error, NotImplementedError) or "deterministic" in said or "not implemented for" in said:
            raise Refused(said.splitlines()[0] if said else type(error).__name__) from error
        raise


class Cpu:
    """Calls on the CPU."""

    name = "cpu"
    copies = 1

    def __init__(self, question):
        pass

    def run(self, calls):
        return [call() for call in calls]

    def wait(self):
        pass

    def time(self, calls, iterations, cache, usual):
        # While others were timed, threads fell asleep: a user's loop has them awake. Nothing of that shows in long calls.
        if usual < LONG:
            self.run(calls)
        start = time.perf_counter_ns()
        for _ in range(iterations):
            self.run(calls)
        return time.perf_counter_ns() - start


class Cuda:
    """Calls on the only GPU that is visible, in one stream, or the same call in several at once."""

    name = "cuda:0"

    def __init__(self, question):
        if not torch.cuda.is_available():
            raise Missing(f"{sys.executable} has a torch that sees no GPU: install one that was built for CUDA")
        self.copies = int(question["setting"]["streams"])
        self.streams = [torch.cuda.Stream() for _ in range(self.copies)] if self.copies > 1 else []
        cache = 2 * max(question["l2_bytes"], LEAST_CACHE)
        self.scratch = torch.empty(cache, dtype=torch.uint8, device=self.name)

    def run(self, calls):
        if not self.streams:
            return [call() for call in calls]
        current, outputs = torch.cuda.current_stream(), []
        for stream, call in zip(self.streams, calls):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                outputs.append(call())
        for stream in self.streams:
            current.wait_stream(stream)
        return outputs

    def wait(self):
        torch.cuda.synchronize()

    def time(self, calls, iterations, cache, usual):
        """Of one call; of calls side by side, the time of all of them, divided by their number."""
        milliseconds = 0.0
        for start in range(0, iterations, BATCH):
            count = min(BATCH, iterations - start)
            events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
            for before, after in events:
                if cache == "cold":
                    self.scratch.zero_()
                else:
                    torch.cuda._sleep(DELAY)
                before.record()
                self.run(calls)
                after.record()
            self.wait()
            milliseconds += sum(before.elapsed_time(after) for before, after in events)
        return round(milliseconds * 1e6 / self.copies)


class Prepared:
    def __init__(self, device, calls):
        self.device, self.calls = device, calls
        # How often it was executed; nanoseconds that a call took when it was timed last.
        self.executed, self.usual = 0, 0

    def execute(self, files):
        for call in self.calls:
            getattr(call, "reset", lambda: None)()
        outputs = refusals(lambda: self.device.run(self.calls))
        self.device.wait()
        # Calls side by side take turns in being compared.
        chosen = outputs[self.executed % len(outputs)]
        self.executed += 1
        for name, path in files.items():
            tensor = chosen[name].detach().cpu().contiguous()
            # As quick as numpy, which torch need not have.
            raw = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
            with open(path, "wb") as file:
                file.write(raw)

    def time(self, iterations, cache):
        taken = refusals(lambda: self.device.time(self.calls, iterations, cache, self.usual))
        self.usual = taken // iterations
        return taken


def apply(setting):
    """Sets what is not set by the environment."""
    flags = {key: value == "1" for key, value in setting.items()}
    if "threads" in setting:
        torch.set_num_threads(int(setting["threads"]))
    torch.use_deterministic_algorithms(flags["deterministic"])
    if "cudnn_tf32" in flags:
        torch.backends.cudnn.benchmark = flags["cudnn_benchmark"]
        torch.backends.cudnn.deterministic = flags["cudnn_deterministic"]
        torch.backends.cudnn.allow_tf32 = flags["cudnn_tf32"]
        torch.backends.cuda.matmul.allow_tf32 = flags["matmul_tf32"]
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = flags["reduced_precision"]


DEVICE = []


def hello(question):
    if torch is None:
        raise Missing(f"{sys.executable} has no torch: run {sys.executable} -m pip install torch")
    torch.set_grad_enabled(False)
    apply(question["setting"])
    DEVICE[:] = [{"cpu": Cpu, "cuda": Cuda}[question["device"]](question)]
    return torch.__version__


def read(path):
    descr, raw = read_npy(path)
    kind = {"<f2": torch.float16, "<f4": torch.float32}[descr]
    return torch.frombuffer(bytearray(raw), dtype=kind) if raw else torch.empty(0, dtype=kind)


def prepare(question):
    way = WAYS.get((question["operation"], question["way"]))
    if way is None:
        raise ValueError(f"no way \"{question['way']}\" for {question['operation']}")
    [device] = DEVICE
    inputs = {name: read(path).to(device.name) for name, path in question["inputs"].items()}
    shape, setting = pairs(question["shape"]), pairs(question["setting"])
    make = lambda: [way(shape, setting, **inputs) for _ in range(device.copies)]
    return Prepared(device, refusals(make))


serve(hello, prepare)
