"""A torch that is played: enough of it for cumsum on a GPU whose clock only moves when it is told to work."""

import array
import contextlib
import json
import os
import sys
import types

clock = [0]
switches = {}
current = ["main"]


class Tensor:
    def __init__(self, values):
        self.values = values

    def reshape(self, *shape):
        return self

    to = detach = cpu = contiguous = lambda self, *_: self

    def numel(self):
        return len(self.values)

    def element_size(self):
        return 4

    def data_ptr(self):
        return self.values.buffer_info()[0]

    def zero_(self):
        clock[0] += 100


class Event:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.at = clock[0]

    def elapsed_time(self, later):
        return float(later.at - self.at)


class Stream:
    count = 0

    def __init__(self):
        self.name = Stream.count
        Stream.count += 1

    def wait_stream(self, other):
        pass


@contextlib.contextmanager
def within(stream):
    current[0] = stream.name
    yield
    current[0] = "main"


def cumsum(x, dimension):
    assert dimension == 1
    if switches["deterministic"]:
        raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set it\nat: x.cu")
    clock[0] += 3
    sums, total = array.array("f"), 0.0
    for value in x.values:
        total += value
        sums.append(total + (0.5 if current[0] == 2 else 0.0))
    return Tensor(sums)


def sleep(cycles):
    assert cycles > 0
    clock[0] += 1000


def frombuffer(raw, dtype):
    values = array.array("f")
    values.frombytes(bytes(raw))
    return Tensor(values)


class Switches:
    """Notes what is set of it, by its name."""

    def __init__(self, name):
        self.__dict__["name"] = name

    def __setattr__(self, key, value):
        switches[f"{self.name}.{key}"] = value


class Version:
    """The version is what was set so far."""

    def __get__(self, module, kind):
        return json.dumps(switches)


class Torch(types.ModuleType):
    __version__ = Version()


torch = Torch("torch")
torch.float16, torch.float32, torch.uint8, torch.int64 = "f2", "f4", "u1", "i8"
torch.set_grad_enabled = lambda on: switches.update(grad=on)
torch.use_deterministic_algorithms = lambda on: switches.update(deterministic=on)
torch.empty = lambda size, dtype, device: Tensor(array.array("f"))
torch.frombuffer, torch.cumsum = frombuffer, cumsum
torch.backends = types.SimpleNamespace(cudnn=Switches("cudnn"), cuda=types.SimpleNamespace(matmul=Switches("matmul")))
torch.cuda = types.SimpleNamespace(
    is_available=lambda: os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-0" and not globals().get("BLIND"),
    Event=Event, Stream=Stream, stream=within, current_stream=lambda: None, synchronize=lambda: None, _sleep=sleep,
)
torch.cuda.current_stream = lambda: Stream.__new__(Stream)
sys.modules["torch"] = torch
