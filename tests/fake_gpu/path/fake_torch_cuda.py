"""Let a torch for the CPU claim the card: a tensor on it is one of the CPU that refuses what CUDA refuses."""

import functools
import types
from contextlib import contextmanager

import fake_card as card
import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

HOST_ARGUMENTS = {"aten::_pack_padded_sequence", "aten::_pad_packed_sequence", "aten::index", "aten::index_put",
                  "aten::index_put_", "aten::_index_put_impl_", "aten::_to_copy", "aten::lift_fresh",
                  "aten::set_"}  # fmt: skip
"""What takes tensors of the CPU beside those of the card."""
LOOKS = {"aten::_local_scalar_dense": "item", "aten::is_nonzero": "bool", "aten::nonzero": "nonzero",
         "aten::_unique2": "unique", "aten::masked_select": "masked_select", "aten::equal": "equal"}  # fmt: skip
"""What waits for a value of the card."""
WHOLE = {"lstm", "gru", "rnn_tanh", "rnn_relu", "scaled_dot_product_attention", "where"}
"""What would go another way in C++ on a device; it runs on the CPU as one kernel."""


def _out_of_memory(n: int) -> Exception:
    return torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {n} bytes. GPU 0 has a total capacity of "
                                  f"{card.limit} bytes of which {card.free()} bytes is free.")  # fmt: skip


pool = card.Pool(_out_of_memory)


def _count(what: str, n: int = 1, *, of: str = "") -> None:
    card.count(f"torch.{what}", n, of=of)


def _sync(why: str) -> None:
    card.sync(why, "torch.")


def bare(x):
    """Return the CPU tensor in a wrapper."""
    return x._inner if isinstance(x, Tensor) else x


def _key(inner) -> int:
    return inner.untyped_storage().data_ptr()


class Tensor(torch.Tensor):
    """A tensor on the card."""

    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device="cuda:0", requires_grad=False)  # fmt: skip
        made._inner = inner
        if _key(inner):
            pool.own(made, _key(inner), inner.untyped_storage().nbytes())
        return made

    def __repr__(self):
        return f"on the card: {self._inner}"

    def numpy(self, *, force=False):
        if not force:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                            "host memory first.")  # fmt: skip
        return self.cpu().numpy()

    def __array__(self, dtype=None):
        return self.numpy()

    def tolist(self):
        _sync("tolist")
        return self._inner.tolist()

    def contiguous(self, memory_format=torch.contiguous_format):
        return self if self._inner.is_contiguous(memory_format=memory_format) else self.clone(
            memory_format=memory_format)  # fmt: skip

    def record_stream(self, stream):
        block = card.Block.every.get((id(pool), _key(self._inner)))
        if block:
            block.freed_safely = True

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in WHOLE:
            if name in ("where", "scaled_dot_product_attention"):
                _refuse_mixed(name, tree_leaves((args, kwargs)))
            _count("kernels", of=name)
            return _on_card(func(*tree_map(bare, args), **tree_map(bare, kwargs)))
        if name in ("__getitem__", "__setitem__") and isinstance(args[0], Tensor):
            return _index(name, *args)
        if name == "copy_":
            return _copy(*args, **kwargs)
        func = torch.bitwise_not if name == "__invert__" else func  # which C++ would first bring to a device
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = func._schema.name
        if name == "aten::to":  # in inference mode; else its parts come here
            return func.decompose(*args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if name not in HOST_ARGUMENTS:
            _refuse_mixed(name, given)
        if name == "aten::_to_copy" and torch.device(kwargs.get("device") or "cuda").type == "cpu":
            later, made = kwargs.get("non_blocking", False), torch.empty_like(args[0]._inner, dtype=kwargs.get("dtype"))
            return _download(args[0], _pinned(made) if later else made, later)
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        kwargs.pop("pin_memory", None)
        if name in LOOKS:
            _sync(LOOKS[name])
        if len(card.Stream.every) > 1:
            written = [x for a, x in zip(func._schema.arguments, args, strict=False)
                       if a.alias_info is not None and a.alias_info.is_write]  # fmt: skip
            card.touch(pool, *(tuple(_key(bare(x)) for x in xs if isinstance(x, Tensor))
                               for xs in (given, written)))  # fmt: skip
        known = {id(x._inner): x for x in given if isinstance(x, Tensor)}
        onednn = torch.backends.mkldnn.enabled
        torch.backends.mkldnn.enabled = onednn and all(
            x.dtype != torch.bfloat16 for x in given
        )  # wrong for some shapes
        try:
            found = func(*tree_map(bare, args), **tree_map(bare, kwargs))
        finally:
            torch.backends.mkldnn.enabled = onednn
        shared = {_key(bare(x)) for x in given}
        if func._schema.is_mutable or not all(
            isinstance(x, torch.Tensor) and _key(x) in shared for x in tree_leaves(found)
        ):  # views cost nothing
            _count("kernels", of=name.removeprefix("aten::"))
        if name in ("aten::_pack_padded_sequence", "aten::_pad_packed_sequence"):
            return _on_card(found[0]), found[1]  # numbers of sounds per frame stay on the host
        return tree_map(lambda x: known[id(x)] if id(x) in known else _on_card(x), found)


def _refuse_mixed(name: str, given) -> None:
    for x in given:
        if isinstance(x, torch.Tensor) and not isinstance(x, Tensor) and x.dim():
            raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
                               f"and cpu! (when checking argument for {name})")  # fmt: skip


def _on_card(found):
    return tree_map(lambda x: Tensor(x) if isinstance(x, torch.Tensor) and not isinstance(x, Tensor) else x, found)


def _index(name: str, tensor, key, *value):
    """Look up or set elements: views for nothing, a mask waits, a tensor of the CPU is copied."""
    for k in tree_leaves(key):
        if isinstance(k, torch.Tensor) and k.dtype in (torch.bool, torch.uint8):
            _sync("boolean index")
        if isinstance(k, torch.Tensor) and not isinstance(k, Tensor) and k.dim():
            card.NOTES[f"torch CPU index of a CUDA tensor at {card.caller()}"] += 1
            _count("h2d")
    if value and isinstance(value[0], torch.Tensor) and not isinstance(value[0], Tensor) and value[0].dim():
        card.NOTES[f"torch CPU tensor set into a CUDA tensor at {card.caller()}"] += 1
        _count("h2d")
    found = getattr(tensor._inner, name)(tree_map(bare, key), *tree_map(bare, value))
    if value or _key(found) != _key(tensor._inner):
        _count("kernels", of=name.strip("_"))
    return found if found is None else Tensor(found)


# to and from the host -------------------------------------------------------------------------------------------------


def _numbers(host: torch.Tensor) -> np.ndarray:
    """Return a host tensor as numpy, of the same memory; bfloat16 as its bits."""
    return (host.detach().view(torch.int16) if host.dtype == torch.bfloat16 else host.detach()).numpy()


def _download(source: Tensor, to: torch.Tensor, later: bool) -> torch.Tensor:
    _count("d2h")
    _count("d2h_bytes", source._inner.numel() * source._inner.element_size())
    if len(card.Stream.every) > 1:
        card.touch(pool, (_key(source._inner),))
    if later and card.is_pinned(to.data_ptr()):
        value = source._inner.detach().to(to.dtype).expand(to.shape).clone()
        card.Copy(_numbers(to), _numbers(value), keeps=True)
        return to
    _sync("to the host")
    return to.copy_(source._inner)


def _upload(to: Tensor, source: torch.Tensor, later: bool) -> Tensor:
    _count("h2d")
    _count("h2d_bytes", source.numel() * source.element_size())
    if len(card.Stream.every) > 1:
        card.touch(pool, (), (_key(to._inner),))
    to._inner.copy_(source)
    if card.is_pinned(source.data_ptr()):
        _count("h2d_pinned")
        if later:
            card.Copy(_numbers(source), keeps=True)
    if not later:
        _sync("to the card")
    return to


def _copy(to: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    if not isinstance(to, Tensor):
        return _download(source, to, non_blocking)
    if not isinstance(source, Tensor):
        return _upload(to, source, non_blocking)
    _count("kernels", of="copy_")
    if len(card.Stream.every) > 1:
        card.touch(pool, (_key(source._inner),), (_key(to._inner),))
    to._inner.copy_(source._inner)
    return to


def _pinned(like: torch.Tensor) -> torch.Tensor:
    """Return a copy in pinned memory."""
    memory = np.empty(max(like.numel() * like.element_size(), 1), np.uint8)
    card.pin(memory, memory.ctypes.data, memory.nbytes)
    made = torch.from_numpy(memory)[: like.numel() * like.element_size()].view(like.dtype).view(like.shape)
    return made.copy_(like)


def _is_cuda(device) -> bool:
    if isinstance(device, int) and not isinstance(device, bool):
        return True
    return isinstance(device, (str, torch.device)) and torch.device(device).type == "cuda"


_real_to = torch.Tensor.to


def _to(self, *args, **kwargs):
    found = torch._C._nn._parse_to(*(a for a in args if not isinstance(a, torch.Tensor)),
                                   **{k: v for k, v in kwargs.items() if k not in ("copy", "other")})  # fmt: skip
    device, dtype, later = found[:3]
    like = next((a for a in (*args, kwargs.get("other")) if isinstance(a, torch.Tensor)), None)
    device, dtype = (like.device, like.dtype) if like is not None else (device, dtype)
    if not _is_cuda(device):
        return _real_to(self, *args, **kwargs)
    if isinstance(self, Tensor):
        if dtype not in (None, self.dtype):
            return _real_to(self, dtype)
        return self.clone() if kwargs.get("copy") else self
    made = Tensor(torch.empty_like(self.detach(), dtype=None, device="cpu"))
    with torch.no_grad():
        _upload(made, self.detach(), later)
        return made if dtype in (None, made.dtype) else _real_to(made, dtype)


def _factory(real):
    @functools.wraps(real)
    def make(*args, **kwargs):
        pin = kwargs.pop("pin_memory", False)
        if not _is_cuda(kwargs.get("device")):
            made = real(*args, **kwargs)
            return _pinned(made) if pin else made
        kwargs["device"] = "cpu"
        if args and isinstance(args[0], Tensor):
            return args[0]
        _count("kernels", of=real.__name__)
        made = real(*args, **kwargs)
        if real.__name__ in ("tensor", "as_tensor", "asarray") and made.dim():
            with torch.no_grad():
                return _upload(Tensor(torch.empty_like(made)), made, False)
        return Tensor(made)

    return make


def _like(real):
    @functools.wraps(real)
    def make(x, *args, **kwargs):
        if isinstance(x, Tensor):
            device = kwargs.pop("device", "cuda")
            found = real(x._inner, *args, **kwargs)
            _count("kernels", of=real.__name__)
            return Tensor(found) if _is_cuda(device) else found
        pin, device = kwargs.pop("pin_memory", False), kwargs.pop("device", None)
        made = real(x, *args, **kwargs)
        return Tensor(made) if _is_cuda(device) else _pinned(made) if pin else made

    return make


# streams --------------------------------------------------------------------------------------------------------------


class Stream:
    """A queue of work; torch's do not wait for the null stream."""

    def __init__(self, device=None, priority=0, *, of=None) -> None:
        self._s = card.Stream(non_blocking=True) if of is None else of
        self.cuda_stream = 1000 + self._s.id if self._s.id else 0
        self.device = torch.device("cuda:0")

    def synchronize(self):
        _count("syncs", of="stream")
        self._s.synchronize()

    def query(self):
        return True

    def record_event(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        self._s.seen |= event._seen or {}

    def wait_stream(self, stream):
        self.wait_event(stream.record_event())

    def __eq__(self, other):
        return isinstance(other, Stream) and other._s is self._s

    def __hash__(self):
        return hash(self.cuda_stream)


class Event:
    """A mark in a stream."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False) -> None:
        self._seen = None

    def record(self, stream=None):
        on = card.current() if stream is None else stream._s
        on.issue()
        self._seen = on.seen.copy()

    def wait(self, stream=None):
        on = card.current() if stream is None else stream._s
        on.seen |= self._seen or {}

    def synchronize(self):
        _count("syncs", of="event")
        card.finish(self._seen or {})

    def query(self):
        card.finish(self._seen or {})
        return True


@contextmanager
def stream(on):
    """Queue what a block does on a stream."""
    before = card.use(on._s) if on is not None else None
    try:
        yield
    finally:
        if on is not None:
            card.use(before)


def _synchronize(device=None):
    _count("syncs", of="device")
    card.finish_all()


# what torch tells of the card -----------------------------------------------------------------------------------------


def _empty_cache():
    _count("empty_cache")
    pool.kept = 0


_handed_out: dict[int, int] = {}


def _alloc(size, device=None, stream=None):
    pool.take(size)
    handle = max(_handed_out, default=0) + 1
    _handed_out[handle] = size
    return handle


def _bound(fraction, device=None):
    pool.bound = int(card.limit * fraction)


def _no_c_functions(*args, **kwargs):
    raise NotImplementedError("the stand-in calls no C functions")


CUDA = {
    "is_available": lambda: True, "is_initialized": lambda: True, "init": lambda: None, "_lazy_init": lambda: None,
    "device_count": lambda: 1, "current_device": lambda: 0, "set_device": lambda device: None,
    "get_device_name": lambda device=None: card.NAME, "get_device_capability": lambda device=None: (9, 0),
    "get_device_properties": lambda device=None: types.SimpleNamespace(
        total_memory=card.limit, name=card.NAME, major=9, minor=0, multi_processor_count=132),
    "is_bf16_supported": lambda including_emulation=True: True, "empty_cache": _empty_cache,
    "mem_get_info": lambda device=None: (card.free(), card.limit), "synchronize": _synchronize,
    "memory_allocated": lambda device=None: pool.used, "memory_reserved": lambda device=None: pool.used + pool.kept,
    "max_memory_allocated": lambda device=None: pool.peak, "set_per_process_memory_fraction": _bound,
    "reset_peak_memory_stats": lambda device=None: setattr(pool, "peak", pool.used),
    "caching_allocator_alloc": _alloc, "caching_allocator_delete": lambda handle: pool.give(_handed_out.pop(handle)),
    "change_current_allocator": _no_c_functions, "Stream": Stream, "Event": Event, "stream": stream,
    "current_stream": lambda device=None: Stream(of=card.current()),
    "default_stream": lambda device=None: Stream(of=card.NULL), "set_stream": lambda s: card.use(s._s),
    "manual_seed": lambda seed: None, "manual_seed_all": lambda seed: None,
    "get_rng_state": lambda device=None: torch.zeros(1, dtype=torch.uint8), "set_rng_state": lambda *args: None,
}  # fmt: skip


def install() -> None:
    """Patch torch, once."""
    if hasattr(torch, "_fake_cuda"):
        return
    torch._fake_cuda = pool
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.Tensor.to = _to
    torch.Tensor.cuda = lambda self, device=None, non_blocking=False: self.to("cuda", non_blocking=non_blocking)
    torch.Tensor.pin_memory = lambda self, device=None: self if self.is_pinned() else _pinned(self)
    torch.Tensor.is_pinned = lambda self, device=None: card.is_pinned(self.data_ptr())
    for name in ("arange", "zeros", "ones", "empty", "full", "eye", "tensor", "linspace", "logspace", "rand", "randn",
                 "randint", "randperm", "as_tensor", "asarray", "scalar_tensor", "hann_window"):  # fmt: skip
        setattr(torch, name, _factory(getattr(torch, name)))
    for name in ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"):
        setattr(torch, name, _like(getattr(torch, name)))
    for name, told in CUDA.items():
        setattr(torch.cuda, name, told)
        if hasattr(torch.cuda.memory, name):
            setattr(torch.cuda.memory, name, told)
    torch.backends.cudnn.is_acceptable = lambda tensor: False
    torch.version.cuda = "13.0"
