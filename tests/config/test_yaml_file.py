"""What the one reader of YAML takes, and what it says of the rest."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from distributed_trf.config import yaml_file
from distributed_trf.config.yaml_file import read_yaml
from distributed_trf.errors import ConfigError, RecordingError, shown
from distributed_trf.recordings.generic.nwb import read_mapping
from distributed_trf.recordings.ucsf.metadata import read_site_table


@pytest.fixture
def read(tmp_path: Path):
    """Read a file of some content; what an error says of it after its name."""

    def of(content: str | bytes) -> object:
        path = tmp_path / "some.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        try:
            return read_yaml(path)
        except ConfigError as error:
            named, _, told = str(error).partition("some.yaml: ")
            assert named == f"{tmp_path}/"
            assert "\n" not in told
            return ConfigError(told.removeprefix("not valid YAML: "))

    return of


BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [f"{i}: &{i} [{', '.join([f'*{o}'] * 9)}]" for o, i in zip("abcdefgh", "bcdefghi", strict=True)]
)
MERGED = BOMB.replace("[x, x, x, x, x, x, x, x, x]", "{k: 1}").replace("[*", "{<<: [*").replace("]", "]}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: 1\nb: 2024-13-45", "line 2, column 4: b = '2024-13-45': expected a date that exists"),
        ("a: {b: [1, !!int x]}", "line 1, column 12: a.b.1 = 'x': expected a whole number"),
        ("a: !!int ''", "a = '': expected a whole number"),
        ("a: " + "9" * 5000, "expected a whole number of at most 64 bits"),
        (f"a: {1 << 63}", "expected a whole number of at most 64 bits"),
        ("a: !!float x", "a = 'x': expected a number"),
        ("a: !!bool x", "a = 'x': expected true or false"),
        ("a: !!timestamp x", "a = 'x': expected a date"),
        ("a: !!set {b}", "a: the tag !!set is not allowed"),
        ("a: !!python/object/apply:os.system [b]", "a: the tag !!python/object/apply:os.system is not allowed"),
        ("a: " + "[" * 2000, "nested deeper than 50"),
        ("- " * 200, "nested deeper than 50"),
        ("a: [" + "1," * 21_000, "more than 20000 values"),
        (BOMB, "line 5, column 4: more than 20000 values, aliases written out"),
        (MERGED, "more than 20000 values, aliases written out"),
        ("\n".join(["a0: &a0 [1]", *(f"a{k}: &a{k} [*a{k - 1}]" for k in range(1, 99))]), "nested deeper than 50"),
        ("a: &a [*a]", "line 1, column 8: an alias refers to a value that contains it"),
        ("a: {<<: 3}", "a.<< = '3': expected aliases of fields to merge"),
        ("a: *gone", "found undefined alias 'gone'"),
        ("[1, 2]: 3", "a list or mapping is used as the name of a field"),
        ("a: {{ b }}", "a list or mapping is used as the name of a field"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: a is given twice; the first is on line 1; keep one"),
        ("a:\n\tb: 1", "line 2, column 1: .*spaces, not with tabs"),
        ("a: 1\nb: \0", r"line 2: the character '\\x00' is not allowed in YAML"),
        (b"a: 1\nb: \xe9", "line 2: this is not UTF-8 text; save it as UTF-8"),
        ("a: b".encode("utf-16"), "not UTF-8 text"),
        ("a: 1\n---\nb: 2", "line 2, .*another document"),
        ("a: '" + "x" * (1 << 18) + "'", "larger than the 256 KiB"),
    ],
)
def test_what_is_no_setting__is_refused_with_line_field_and_remedy(read, content, told):
    begun = time.process_time()
    error = read(content)
    assert time.process_time() - begun < 2
    assert isinstance(error, ConfigError)
    with pytest.raises(ConfigError, match=told):
        raise error
    assert len(str(error)) < 300


@pytest.mark.parametrize("content", [BOMB, MERGED])
def test_aliases__are_counted_before_they_are_written_out(read, content):
    tracemalloc.start()
    error = read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(error, ConfigError)
    assert peak < 10 << 20


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("\ufeffa: 1", {"a": 1}),
        ("a: é # ü", {"a": "é"}),
        ("a: 2024-01-31", {"a": "2024-01-31"}),
        ("on: 1\n010: 2\n~: 3", {"on": 1, "010": 2, "~": 3}),
        ("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: &a {b: 1}\nc: &c {<<: *a, b: 2}\nd: {<<: *c}", {"a": {"b": 1}, "c": {"b": 2}, "d": {"b": 2}}),
        ("a: &a {k: 1}\nb: &b {k: 2}\nc: {<<: [*a, *b]}", {"a": {"k": 1}, "b": {"k": 2}, "c": {"k": 1}}),
        ("a: [12:30:00, 08:30, 1-12:00:00]", {"a": ["12:30:00", "08:30", "1-12:00:00"]}),
        (
            f"a: {(1 << 63) - 1}\nb: 1.5\nc: true\nd: ~\ne: =",
            {"a": (1 << 63) - 1, "b": 1.5, "c": True, "d": None, "e": "="},
        ),
        ("a: " + "[" * 48 + "]" * 48, None),
        ("", None),
    ],
)
def test_plain_values__are_read(read, content, found):
    result = read(content)
    assert not isinstance(result, ConfigError)
    if found is not None:
        assert result == found


def test_a_file__is_utf8_whatever_the_locale(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_bytes("a: é".encode())
    code = (
        "from pathlib import Path; from distributed_trf.config.yaml_file import read_yaml;"
        f"print(ascii(read_yaml(Path({str(path)!r}))))"
    )
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **locale})
    assert (done.stdout, done.stderr) == ("{'a': '\\xe9'}\n", "")


def test_a_folder__is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("reader", "name"), [(lambda path: read_mapping(path.parent), "recordings.yaml"), (read_site_table, "sessions.yml")]
)
@pytest.mark.parametrize("content", [BOMB, "a: 2024-13-45", "[1]: 2", "a: !!int x", "a: 1\na: 2"])
def test_yaml_of_recordings__goes_through_the_same_reader(tmp_path, reader, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(RecordingError, match=rf"{name}: not valid YAML: line \d"):
        reader(path)


def test_no_other_module__reads_yaml():
    package = Path(yaml_file.__file__).parents[1]
    users = [
        path.name for path in package.rglob("*.py") if "yaml.load(" in (text := path.read_text()) or "safe_load" in text
    ]
    assert users == ["yaml_file.py"]


def test_text_files__are_read_and_written_as_utf8():
    """Whatever the locale is; a call without an encoding takes that of the locale."""
    left = []
    for path in Path(yaml_file.__file__).parents[1].rglob("*.py"):
        for call in [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]:
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            text = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            is_text = name in ("read_text", "write_text") and isinstance(call.func, ast.Attribute)
            is_text |= name in ("open", "fdopen") and (text or not call.args) and "b" not in "".join(text)
            if is_text and not any(k.arg == "encoding" for k in call.keywords):
                left.append(f"{path.name}:{call.lineno}")
    assert left == []


def test_shown__is_bounded_and_escapes_what_cannot_be_printed():
    deep: list = []
    for _ in range(40):
        deep = [deep] * 9
    for value in (deep, "x" * 10**7, {"k" * 10**6: deep}, 10**4000):
        assert len(shown(value)) <= 80
    assert shown("a\x1b[31m\ud800", quoted=False) == "a\\x1b[31m\\ud800"
