"""Networks calculate in plain float32, whatever the process allows, and leave that as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families import registry
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import load_table
from distributed_trf.features.torch_internals import CHILDREN, PARENTS, plain_float32
from tests.conv_network import CONV_TABLE, ConvFamily, ConvNetwork

NEW = hasattr(torch._C, "_set_fp32_precision_setter")
"""From torch 2.9 on there are settings for each library and kind of product beside the older ones."""


def set_new(library, kind, value):
    torch._C._set_fp32_precision_setter(library, kind, value)


def set_older(products, convolutions):
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions


def told():
    """What all ways of asking say; of the newer ones also which are set, and which follow another."""
    answers = []
    for ask in (torch.get_float32_matmul_precision, torch._C._get_cublas_allow_tf32, torch._C._get_cudnn_allow_tf32):
        try:
            answers.append(ask())
        except RuntimeError:
            answers.append("mixed")
    if NEW:
        first = torch._C._get_fp32_precision_getter("generic", "all")
        for value in ("ieee", "tf32", first):
            set_new("generic", "all", value)
            answers.append([torch._C._get_fp32_precision_getter(*setting) for setting in (*PARENTS, *CHILDREN)])
    return answers


def is_plain():
    if NEW:
        found = {torch._C._get_fp32_precision_getter(*setting) for setting in CHILDREN}
        return found == {"ieee"} and not torch._C._get_cublas_allow_tf32()  # raises where older and newer differ
    return torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32


USERS = {
    "the environment, or nothing": lambda: None,
    "older functions": lambda: set_older("medium", convolutions=False),
    "older functions for convolutions": lambda: set_older("highest", convolutions=True),
    "newer ones for all": lambda: set_new("generic", "all", "tf32"),
    "both": lambda: [set_new("mkldnn", "matmul", "ieee"), setattr(torch.backends.cuda.matmul, "allow_tf32", True)],
    "newer ones for libraries": lambda: [set_new("cuda", "all", "tf32"), set_new("mkldnn", "all", "bf16")],
    "newer ones for kinds": lambda: [set_new("cuda", "rnn", "ieee"), set_new("cuda", "matmul", "tf32")],
    "against the older": lambda: [set_older("high", convolutions=True), set_new("cuda", "matmul", "none")],
}


def check_users():
    for who, set_up in USERS.items():
        if NEW or "newer" not in who:
            set_up()
            before = told()
            with plain_float32(), plain_float32():
                assert is_plain(), who
            assert told() == before, who


def test_what_a_process_allows__is_off_inside_and_as_before_after():
    """In a process of its own: torch reads its environment once, and what is set here would stay set."""
    code = "from tests.features.test_float32 import check_users, torch\n"
    code += "assert torch.backends.cuda.matmul.allow_tf32\ncheck_users()"
    environment = {**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Telling(ConvNetwork):
    """Writes down what it calculates with."""

    def __init__(self, plain):
        super().__init__()
        self.plain = plain
        plain.append(is_plain())

    def forward(self, x):
        self.plain.append(is_plain())
        return super().forward(x)


class TellingFamily(ConvFamily):
    def __init__(self):
        super().__init__()
        self.plain: list[bool] = []

    def new(self, table):
        return Telling(self.plain)


def test_network__is_built_and_hears_in_plain_float32(monkeypatch):
    rule, before = TellingFamily(), told()
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    extract(built, CONV_TABLE, "reset", [np.ones(8000)], CONV_TABLE.layers)
    assert rule.plain == [True, True]
    assert told() == before


def test_projection__hears_in_plain_float32():
    table, plain = load_table("whisper_tiny"), []
    built = build_network(
        table, NetworkSettings(name="whisper_tiny"), "projection_linear", device="cpu", dtype="float32"
    )
    built.stack[0].register_forward_hook(lambda *_: plain.append(is_plain()))
    extract(built, table, "projection_linear", [np.random.default_rng(0).normal(size=8000)], table.layers[:1])
    assert plain == [True]


def test_settings__are_given_back_when_the_last_thread_is_out_and_after_an_error():
    before, inside, out = told(), threading.Event(), threading.Event()

    def other():
        with plain_float32():
            inside.set()
            out.wait()

    def start_and_fail():
        thread.start()
        inside.wait()
        return 1 / 0

    thread = threading.Thread(target=other)
    with pytest.raises(ZeroDivisionError), plain_float32():
        start_and_fail()
    assert is_plain()
    out.set()
    thread.join()
    assert told() == before
