"""Files that ship, changed at random: each is read, or refused in words that name it, in a moment.

``MUTATED_FILES=500`` tries as many of each kind; by default there are fewer.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.config.analyses import load_word_errors
from distributed_trf.config.load import shipped
from distributed_trf.config.study import load_study
from distributed_trf.errors import ConfigError
from distributed_trf.features.table import load_table

N = int(os.environ.get("MUTATED_FILES", "40"))
KINDS: dict[str, Callable] = {
    "configs": load_study,
    "configs/networks": load_table,
    "configs/word_errors": load_word_errors,
    "cluster": load_recipe,
}
BOMB = (
    "[&a [x, x, x, x, x, x, x, x]"
    + "".join(
        f", &{inner} [{', '.join([f'*{outer}'] * 8)}]"
        for outer, inner in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )
    + "]"
)
HOSTILE = [
    *("", "~", "true", "no", "-1", "0", "1e999", ".nan", "-.inf", "1e-320", "9" * 30, "9" * 5000, "0x" + "f" * 40),
    *("2024-13-45", "2024-01-01", "12:30:00", "99999999999999999999:00:00", "9" * 400 + "-00:00:00", "9" * 300 + " h"),
    *("!!int x", "!!int ''", "!!float", "!!timestamp x", "!!bool 3", "!!binary 'x'", "!!set {a}", "!!python/name:os x"),
    *("[" * 300, "{" * 300, "[" * 40 + "]" * 40, "{[1]: 2}", "{{x}}", "? a", "&a [*a]", "*gone", "=", "<<", "%", "`"),
    *(
        "[1, [2, [3]]]",
        "{a: {b: c}}",
        "'" + "x" * 2000 + "'",
        '"\\0"',
        '"\\ud800"',
        '"a\\nb"',
        "~nobody/here",
        "../..",
        "/",
    ),
    *("é" * 200, "[red]", "9" * 40 + " GB", "1e30 GB", "tls://x", "0.05", "200", "[x, x]", "text", BOMB),
]
SPOILT = [b"\0", b"\xff", b"\xe9", b"\t", b"\r", b"\xef\xbb\xbf", b"'", b"{", b":", b"- ", b"&a ", b"*a", b"\x1b[31m"]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a file in one to three ways."""
    for _ in range(rng.randint(1, 3)):
        lines = content.split(b"\n")
        k = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0 if content:
                at = rng.randrange(len(content))
                content = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
                continue
            case 1:
                del lines[k]
            case 2:
                lines.insert(rng.randrange(len(lines)), lines[k])
            case 3:
                lines[k] = rng.choice([b"  ", b"    ", b"\t", b"- "]) + lines[k]
            case 4:
                lines[k] = re.sub(rb":.*", lambda _: b": " + rng.choice(HOSTILE).encode(), lines[k], count=1)
            case 5:
                lines[k] = re.sub(rb"\w+:", rng.choice([b"x:", b"name:", b"1:", b"on:", b"<<:"]), lines[k], count=1)
            case _:
                at = rng.randrange(len(lines[k]) + 1)
                lines[k] = lines[k][:at] + rng.choice(SPOILT) + lines[k][at:]
        content = b"\n".join(lines)
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_file__is_read_or_refused_by_name(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    files = sorted(shipped(kind).glob("*.yaml"))
    path = tmp_path / "changed.yaml"
    refused = 0
    for seed in range(N):
        rng = random.Random(f"{kind}-{seed}")
        path.write_bytes(mutated(rng.choice(files).read_bytes(), rng))
        begun = time.process_time()
        try:
            found = KINDS[kind](path)
            json.dumps(found.model_dump(mode="json"), allow_nan=False)
        except ConfigError as error:
            told = str(error)
            assert all(line.startswith(f"{path}: ") for line in told.splitlines()), (seed, told)
            assert max(map(len, told.splitlines())) < 1000, (seed, told)
            refused += 1
        assert time.process_time() - begun < 2, seed
    assert refused > N / 4


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_value__in_any_field_is_read_or_refused(tmp_path, value):
    lines = (shipped("configs") / "example.yaml").read_bytes().splitlines()
    path = tmp_path / "changed.yaml"
    fields = [k for k, line in enumerate(lines) if re.match(rb" *[a-z_]+:", line)]
    for k in fields if N >= 500 else fields[len(value) % 8 :: 8]:
        changed = re.sub(rb":.*", lambda _: b": " + value.encode(), lines[k], count=1)
        path.write_bytes(b"\n".join([*lines[:k], changed, *lines[k + 1 :]]))
        with suppress(ConfigError):
            json.dumps(load_study(path).model_dump(mode="json"), allow_nan=False)
