"""What a PyTorch user adds to find out why a reloaded model gives other results.

Run the same step on both sides, once before saving and once after loading, and let samebits compare:

    from torch_capture import capture

    with capture("before.safetensors", model, optimizer=optimizer, schedule=scheduler,
                 inputs={"x": x, "target": target}):
        loss = criterion(model(x), target)

    samebits diff before.safetensors after.safetensors

A capture is a .safetensors file (version 1). It holds, as they were when the block was entered: parameters,
buffers, gradients where there are any, the optimizer's state and hyperparameters, the schedule's and the
GradScaler's state, each module's `training` flag, digests of the generators' states, backend flags and
versions; and the outputs of all modules in the first forward pass of the block, in the order in which they
were finished. Tensors that the model is called with are recorded too, where `inputs` does not name them.

Without a forward pass: `capture_state("before.safetensors", model, optimizer=optimizer)`.

It only observes: nothing is registered on the model, no result changes and no generator is advanced. It needs
as much memory on the host as the file has on disk. Everything that cannot be stored (complex, quantised,
sparse, meta and distributed tensors) is left out with a warning that names it. If the block raises, no file
is written. Inside of torch.compile only what runs as a module is seen: capture the model that was compiled,
not its product, where the activations matter. Replicas of DataParallel are not seen either: capture
`model.module` on one device.

Copy this file beside your own, or put its folder on PYTHONPATH. It needs torch 2.x, safetensors and numpy,
without which safetensors cannot write torch's tensors.
"""

import dataclasses
import hashlib
import inspect
import json
import math
import numbers
import os
import platform
import random
import re
import threading
import warnings
from collections.abc import Mapping

import torch

try:
    import numpy
    from safetensors.torch import save_file
except ImportError as missing:
    raise ImportError(f"torch_capture: {missing}: pip install safetensors numpy") from None

__all__ = ["capture", "capture_state"]

VERSION = "1"

# What .safetensors names and samebits reads.
STORABLE = {
    getattr(torch, name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16",
                 "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
    if hasattr(torch, name)
}

# Flags and settings that choose kernels. What this torch does not have is left out.
FLAGS = (
    "torch.backends.cudnn.enabled",
    "torch.backends.cudnn.benchmark",
    "torch.backends.cudnn.deterministic",
    "torch.backends.cudnn.allow_tf32",
    "torch.backends.cuda.matmul.allow_tf32",
    "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction",
    "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
    "torch.backends.mkldnn.enabled",
    "torch.backends.mkldnn.deterministic",
    "torch.utils.deterministic.fill_uninitialized_memory",
)
CALLS = (
    "torch.are_deterministic_algorithms_enabled",
    "torch.is_deterministic_algorithms_warn_only_enabled",
    "torch.get_float32_matmul_precision",
    "torch.get_default_dtype",
    "torch.get_num_threads",
    "torch.get_num_interop_threads",
    "torch.is_grad_enabled",
    "torch.is_inference_mode_enabled",
    "torch.is_autocast_enabled",
    "torch.is_autocast_cpu_enabled",
    "torch.is_autocast_cache_enabled",
    "torch.get_autocast_gpu_dtype",
    "torch.get_autocast_cpu_dtype",
    "torch.backends.cpu.get_cpu_capability",
    "torch.backends.cuda.flash_sdp_enabled",
    "torch.backends.cuda.mem_efficient_sdp_enabled",
    "torch.backends.cuda.math_sdp_enabled",
    "torch.backends.cuda.cudnn_sdp_enabled",
    "torch.backends.mha.get_fastpath_enabled",
)
ENVIRONMENT = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING", "CUDNN_DETERMINISTIC", "KMP_DETERMINISTIC_REDUCTION",
    "MKL_CBWR", "MKL_NUM_THREADS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "ATEN_CPU_CAPABILITY",
)


class capture:
    """Captures the state at the beginning of a `with` block and the first forward pass in it.

    path: the file to write, by custom `NAME.safetensors`. It appears whole when the block ends, or not at all.
    model: a torch.nn.Module.
    optimizer, schedule, scaler: the ones that belong to it, if there are any.
    inputs: a mapping (or any nesting of tensors) of what the batch consists of, the targets too.
    generators: a mapping of generators of your own, such as a DataLoader's: torch.Generator,
        numpy.random.Generator or random.Random. The global ones are always recorded.
    activations: a regular expression; only modules whose name has a match for it are recorded ("" is the
        model itself). None: all of them. False: none.
    limit_bytes: no more bytes of activations than this are kept. What is left out is named in the file.

    `as` gives the object itself; `skipped` says what could not be stored, and why.
    """

    def __init__(self, path, model, *, optimizer=None, schedule=None, scaler=None, inputs=None,
                 generators=None, activations=None, limit_bytes=None):
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"torch_capture: the model is a {type(model).__name__}, not a torch.nn.Module")
        self.path = os.fspath(path)
        self.model = model
        self.skipped = {}
        self._parts = {"optimizer": optimizer, "schedule": schedule, "scaler": scaler}
        self._inputs = inputs
        self._generators = dict(generators or {})
        self._wanted = None if activations in (None, False) else re.compile(activations)
        self._is_recording = activations is not False
        self._limit = self._left = math.inf if limit_bytes is None else limit_bytes
        self._tensors, self._metadata = {}, {}
        self._activations, self._left_out, self._arguments = [], [], []
        self._calls = 0
        self._is_inside = False
        self._given = set()
        self._hooks = []

    def __enter__(self):
        # A name that cannot be written is found before the work, not after it.
        folder = os.path.dirname(os.path.abspath(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"torch_capture: {self.path}: there is no folder {folder}; make it first")
        # Digests first: they are to be those that the forward pass begins with.
        self._metadata["generators"] = digests(self._generators)
        self._snapshot()
        # Hooks on the model's own modules would change what it does: torch's fused path for transformers is
        # not taken where any of its modules has one. Global hooks leave the model as it is.
        self._names = {id(module): name for name, module in self.model.named_modules()}
        self._thread = threading.get_ident()
        modules = torch.nn.modules.module
        self._hooks = [modules.register_module_forward_pre_hook(uncompiled(self._before))]
        after = uncompiled(self._after)
        try:
            self._hooks.append(modules.register_module_forward_hook(after, with_kwargs=True))
        except TypeError:
            # Older versions give keyword arguments to hooks of one module only, and look at none for a fused path.
            self._hooks.append(modules.register_module_forward_hook(after))
            keywords = uncompiled(lambda module, args, kwargs: self._keywords(module, kwargs))
            self._hooks.append(self.model.register_forward_pre_hook(keywords, with_kwargs=True))
        return self

    def __exit__(self, kind, error, traceback):
        for hook in self._hooks:
            hook.remove()
            # torch (2.15 still) forgets this one, and believes then that there is a global hook.
            getattr(torch.nn.modules.module, "_global_forward_hooks_with_kwargs", {}).pop(hook.id, None)
        self._hooks = []
        if kind is None:
            if self._is_recording and self._calls == 0:
                self._warn("no module of the model ran in the block, so that no activation is recorded")
            self._write()
        return False

    # What is there at the beginning

    def _snapshot(self):
        metadata = self._metadata
        metadata["samebits_capture"] = VERSION
        metadata["modules"] = [described(name, module) for name, module in self.model.named_modules()]
        names = {}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), name)
            self._keep(f"parameter/{name}", parameter)
            # Asking a tensor that is no leaf for its gradient makes torch warn.
            if parameter.is_leaf and parameter.grad is not None:
                self._keep(f"gradient/{name}", parameter.grad)
        for name, buffer in self.model.named_buffers(remove_duplicate=False):
            self._keep(f"buffer/{name}", buffer)
        if self._parts["optimizer"] is not None:
            metadata["optimizer"] = self._optimizer(self._parts["optimizer"], names)
        for part in ("schedule", "scaler"):
            if (value := self._parts[part]) is not None:
                metadata[part] = {"type": type(value).__name__, "state": plain(value.state_dict())}
        metadata["backend"] = backend(self.model)
        metadata["versions"] = versions()
        if self._inputs is not None:
            self._input("", self._inputs)

    def _optimizer(self, optimizer, names):
        groups, scalars = [], {}
        of = dict(names)
        for index, group in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(group["params"]):
                of.setdefault(id(parameter), f"(not of the model).{index}.{place}")
            hyper = {key: plain(value) for key, value in group.items() if key not in ("params", "param_names")}
            groups.append({**hyper, "params": [of[id(parameter)] for parameter in group["params"]]})
        for parameter, state in optimizer.state.items():
            name = of.get(id(parameter))
            if name is None or not isinstance(state, Mapping):
                self.skipped[f"optimizer/{type(parameter).__name__}"] = "state that belongs to no parameter"
                continue
            for path, value in flat(state):
                if isinstance(value, torch.Tensor) and value.dim() > 0:
                    self._keep(f"optimizer/{name}/{path}", value)
                elif isinstance(value, torch.Tensor):
                    scalars[f"{name}/{path}"] = plain(value)
                elif isinstance(value, numbers.Real):
                    scalars[f"{name}/{path}"] = plain(float(value))
        return {"type": type(optimizer).__name__, "param_groups": groups, "scalars": scalars}

    def _input(self, prefix, value):
        for path, tensor in flat(value, prefix):
            key = f"input/{path or 'x'}"
            if isinstance(tensor, torch.Tensor):
                self._given.add(id(tensor))
                self._keep(key, tensor)
            elif isinstance(tensor, numpy.ndarray):
                try:
                    self._keep(key, torch.from_numpy(tensor))
                except (TypeError, ValueError) as error:
                    self.skipped[key] = str(error)

    # What happens in the first forward pass

    def _is_mine(self, module):
        return self._is_recording and threading.get_ident() == self._thread and id(module) in self._names

    def _before(self, module, args):
        if module is not self.model or not self._is_mine(module):
            return
        if self._is_inside:
            # The call before this one did not come to its end: the block caught what it raised.
            for key in [activation["key"] for activation in self._activations] + self._arguments:
                del self._tensors[key]
            self._activations, self._left_out, self._arguments = [], [], []
            self._calls, self._left = 0, self._limit
        self._is_inside = True
        for name, value in zip(argument_names(module, len(args)), args):
            self._argument(name, value)

    def _argument(self, name, value):
        for path, tensor in flat(value, name):
            if isinstance(tensor, torch.Tensor) and id(tensor) not in self._given:
                key = f"input/{path}"
                # A name of the user's own for another tensor stays.
                key = key if key not in self._tensors else f"input/argument/{path}"
                if self._keep(key, tensor):
                    self._arguments.append(key)

    def _keywords(self, module, kwargs):
        if self._is_mine(module):
            for keyword, value in kwargs.items():
                self._argument(keyword, value)

    def _after(self, module, args, *rest):
        if not self._is_mine(module):
            return
        name, output = self._names[id(module)], rest[-1]
        if module is self.model and len(rest) == 2:
            # Hooks before a forward pass that are global are not given these.
            self._keywords(module, rest[0])
        call, self._calls = self._calls, self._calls + 1
        if self._wanted is None or self._wanted.search(name):
            key = f"activation/{call:06}/{name or '(model)'}"
            for path, tensor in flat(output):
                if isinstance(tensor, torch.Tensor):
                    self._activation(f"{key}/{path}" if path else key, name, module, tensor)
        if module is self.model:
            # The first call of the model is what is compared; another one would be a second batch.
            self._is_recording = False

    def _activation(self, key, name, module, tensor):
        size = tensor.numel() * tensor.element_size()
        if size > self._left:
            self._left_out.append({"key": key, "bytes": size})
        elif self._keep(key, tensor):
            self._left -= size
            self._activations.append({"key": key, "module": name, "type": type(module).__name__})

    # Writing

    def _keep(self, key, tensor):
        """Stores a copy of `tensor`; false, and a reason in `skipped`, where that is not possible."""
        reason = unstorable(tensor)
        if reason is None:
            try:
                # The copy never shares memory with another one, tied parameters included.
                self._tensors[key] = tensor.detach().to("cpu", copy=True).resolve_neg().contiguous()
            except (RuntimeError, NotImplementedError, TypeError) as error:
                reason = str(error).strip().split("\n")[0]
        if reason is not None:
            self.skipped[key] = reason
        return reason is None

    def _warn(self, what):
        warnings.warn(f"torch_capture: {self.path}: {what}", stacklevel=4)

    def _write(self):
        metadata = self._metadata
        if self._activations or self._calls:
            metadata["activations"] = self._activations
        if self._left_out:
            metadata["left_out"] = self._left_out
        if self.skipped:
            metadata["skipped"] = self.skipped
            told = "; ".join(f"{key} ({reason})" for key, reason in self.skipped.items())
            self._warn(f"left out: {told}")
        # Texts as they are, everything else as JSON. Keys are sorted, so that equal captures are equal files.
        texts = {key: value if isinstance(value, str) else json.dumps(value, sort_keys=True, allow_nan=False)
                 for key, value in metadata.items()}
        partial = f"{self.path}.{os.getpid()}.partial"
        try:
            save_file(self._tensors, partial, texts)
            sort_header(partial)
            os.replace(partial, self.path)
        finally:
            if os.path.exists(partial):
                os.remove(partial)
        self._tensors = {}


def capture_state(path, model, **rest):
    """Captures the state alone, without a forward pass; takes what `capture` takes."""
    with capture(path, model, **{**rest, "activations": False}) as captured:
        pass
    return captured


def uncompiled(hook):
    """`hook`, left alone by torch.compile where that is there (torch 2.1 on)."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    return hook if disable is None else disable(hook)


def unstorable(tensor):
    """Why a tensor cannot be stored, or None."""
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        return "not initialised yet: run the model once before"
    if hasattr(tensor, "to_local"):
        return "distributed over several processes"
    if tensor.device.type == "meta":
        return "without data, on the device meta"
    if tensor.layout != torch.strided:
        return f"sparse: {tensor.layout}"
    if tensor.is_quantized:
        return f"quantised: {tensor.dtype}"
    if tensor.dtype not in STORABLE:
        return f"of type {tensor.dtype}"
    return None


def flat(value, prefix=""):
    """Everything that lies in nested tuples, lists, mappings and dataclasses, with its path."""
    def below(key):
        # A slash separates the parts of a path.
        key = str(key).replace("/", "_")
        return f"{prefix}/{key}" if prefix else key

    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        items = zip(value._fields, value)
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        yield prefix, value
        return
    for key, item in items:
        yield from flat(item, below(key))


def argument_names(module, count):
    """What the first `count` arguments of the module's forward are called."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [parameter.name for parameter in parameters
             if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]
    return names[:count] + [str(place) for place in range(len(names), count)]


def described(name, module):
    about = {"name": name, "type": type(module).__name__, "training": bool(module.training)}
    if isinstance(module, torch.nn.modules.batchnorm._NormBase):
        about.update(momentum=plain(module.momentum), eps=plain(module.eps),
                     track_running_stats=bool(module.track_running_stats))
    if isinstance(module, torch.nn.modules.dropout._DropoutNd):
        about.update(p=plain(module.p))
    return about


def plain(value):
    """`value` as JSON can hold it: numbers that are not finite become texts, and objects their type's name."""
    if isinstance(value, torch.Tensor):
        if unstorable(value) is None and value.numel() <= 64:
            return plain(value.detach().cpu().tolist())
        return f"tensor {tuple(value.shape)}"
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value)
    # Not its repr, which may hold an address that is another one each time.
    return f"object {type(value).__name__}"


def digests(extra):
    """SHA-256 of each generator's state, in hexadecimal. Reading a state advances nothing."""
    states = {"python": random.getstate(), "numpy": numpy.random.get_state(legacy=False),
              "torch_cpu": torch.get_rng_state()}
    # Asking for a GPU's generator would start CUDA where nothing has used it yet.
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index in range(torch.cuda.device_count()):
            states[f"torch_cuda:{index}"] = torch.cuda.get_rng_state(index)
    for name, generator in extra.items():
        if isinstance(generator, torch.Generator):
            states[name] = generator.get_state()
        elif isinstance(generator, random.Random):
            states[name] = generator.getstate()
        elif hasattr(generator, "bit_generator"):
            states[name] = generator.bit_generator.state
        else:
            raise TypeError(f"torch_capture: generators: {name} is a {type(generator).__name__}; give "
                            "torch.Generator, numpy.random.Generator or random.Random")
    return {name: digest(state) for name, state in states.items()}


def digest(state):
    total = hashlib.sha256()
    for path, value in flat(state):
        if isinstance(value, torch.Tensor):
            value = value.cpu().numpy()
        text = value.tobytes() if isinstance(value, numpy.ndarray) else repr(value).encode()
        total.update(f"{path}:{len(text)}:".encode() + text)
    return total.hexdigest()


def looked_up(path):
    value = torch
    for part in path.split(".")[1:]:
        value = getattr(value, part)
    return value


def backend(model):
    """What chooses kernels, flat."""
    flags = {}
    with warnings.catch_warnings():
        # Reading an older flag warns in newer versions.
        warnings.simplefilter("ignore")
        for path in FLAGS + CALLS:
            try:
                value = looked_up(path)
                flags[path] = plain(value() if path in CALLS else value)
            except (AttributeError, RuntimeError, AssertionError):
                continue
    flags.update({f"env.{name}": os.environ[name] for name in ENVIRONMENT if name in os.environ})
    devices = {str(tensor.device) for tensor in [*model.parameters(), *model.buffers()]}
    flags["devices"] = ", ".join(sorted(devices))
    flags["machine"] = platform.machine()
    for device in sorted(device for device in devices if device.startswith("cuda")):
        flags[f"device_name.{device}"] = torch.cuda.get_device_name(device)
    return flags


def versions():
    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    if torch.cuda.is_available() and torch.backends.cudnn.is_available():
        found["cudnn"] = str(torch.backends.cudnn.version())
    return found


def sort_header(path):
    """Puts the metadata, which safetensors writes in an order of chance, in the order of its keys."""
    with open(path, "r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        # The same members in another order have the same length; spaces fill what was padded before.
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))
