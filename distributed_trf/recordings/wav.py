"""Wav files: PCM of 8 to 64 bits and floats, in RIFF, RIFX (high byte first) and RF64 (of more than 4 GiB)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from distributed_trf.errors import RecordingError

RIFF = (b"RIFF", b"RIFX", b"RF64", b"BW64")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
ENCODINGS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM", 0x50: "MPEG", 0x55: "MP3"}
"""What else a wav file may hold, for messages."""
GUID = (0, 0x10, bytes.fromhex("800000aa00389b71"))
"""Of the extensible format: what follows after four bytes that are a format as in plain files."""
UNKNOWN_SIZE = 0x7FFF0000
"""Sizes from here on that go beyond a file's end are what programs put in that write to a pipe and do not know it:
0xFFFFFFFF (ffmpeg), 0x7FFFF000 (sox), 0x80000000 (arecord). Or 0."""


@dataclass(frozen=True)
class WavFile:
    """Where the samples of a wav file are, and what they are."""

    path: Path
    sfreq: int
    """Frames per second."""
    n_channels: int
    n_frames: int
    encoding: int
    """``PCM`` or ``FLOAT``."""
    width: int
    """Bytes of a sample."""
    order: str
    """``<`` or ``>``."""
    start: int
    """Of the samples in the file."""

    def read(self) -> np.ndarray:
        """Return the samples as they are stored, shape (n_frames,), or (n_frames, n_channels) of several channels.

        24 bits are the higher ones of int32, 8 bits are unsigned.
        """
        kind = "f" if self.encoding == FLOAT else "u" if self.width == 1 else "i"
        if self.width != 3:
            dtype = np.dtype(f"{self.order}{kind}{self.width}")
            samples: np.ndarray = np.memmap(self.path, dtype, "r", self.start, (self.n_frames * self.n_channels,))
        else:
            stored = np.memmap(self.path, np.uint8, "r", self.start, (self.n_frames * self.n_channels, 3))
            wide = np.zeros((len(stored), 4), dtype=np.uint8)
            wide[:, 1:] = stored if self.order == "<" else stored[:, ::-1]
            samples = wide.view("<i4")[:, 0]
        return samples if self.n_channels == 1 else samples.reshape(-1, self.n_channels)


def open_wav(path: Path) -> WavFile:
    """Read the header of a wav file.

    Samples that a pipe wrote without knowing their number reach to the end of the file.

    Raises
    ------
    RecordingError
        If it is no wav file of plain samples, cut short, or leaves open which of its bytes are the samples.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] not in RIFF or head[8:] != b"WAVE":
            _refuse(path, "it does not begin as one", "Copy it again, or save it as wav")
        order = ">" if head[:4] == b"RIFX" else "<"
        position, wide, form, data = 12, 0, b"", []
        while position + 8 <= size:
            file.seek(position)
            name, length = struct.unpack(f"{order}4sI", file.read(8))
            start, follows = position + 8, size - position - 8
            if name == b"ds64":
                wide = struct.unpack("<Q", file.read(24)[8:16])[0] if length >= 24 else 0
            elif name == b"fmt ":
                form = file.read(min(length, 40))
            elif name == b"data":
                length = wide if wide and length == 0xFFFFFFFF else length
                if follows < length >= UNKNOWN_SIZE or (not length and not _are_parts(file, start, size, order)):
                    length = follows  # and position then is the end of the file
                if length > follows:
                    _refuse(
                        path,
                        f"its header promises {length} bytes of samples, of which {follows} are there",
                        "Copy it again",
                    )
                data.append((start, length))
            elif name in RIFF:
                _refuse(path, f"another wav file begins at byte {position}", "Save them as two files")
            elif not _is_name(name):
                if not data:
                    _refuse(path, f"byte {position} begins no part of a wav file", "Copy it again, or save it anew")
                if any(name) or length:
                    _refuse(
                        path,
                        f"{follows + 8} bytes follow its samples that are no part of it",
                        "Save it anew: the header may say too few",
                    )
                break
            position = start + length
            if length % 2:  # a byte of padding, which some writers leave out
                file.seek(position)
                position += not _is_name(file.read(4))
    return _described(path, order, form, data)


def _described(path: Path, order: str, form: bytes, data: list[tuple[int, int]]) -> WavFile:
    """Check that format and samples are there, and fit each other."""
    if len(form) < 16 or not data:
        missing = "format" if len(form) < 16 else "samples"
        _refuse(path, f"its {missing} are not there" if data or form else "it ends in its header", "Copy it again")
    if len(data) > 1:
        sizes = " and ".join(str(length) for _, length in data)
        _refuse(path, f"it has {len(data)} parts of samples, of {sizes} bytes", "Save it anew, as one sound")
    encoding, n_channels, sfreq, _, frame, bits = struct.unpack(f"{order}HHIIHH", form[:16])
    if encoding == EXTENSIBLE and len(form) >= 40:
        plain, *guid = struct.unpack(f"{order}IHH8s", form[24:40])
        encoding = plain if tuple(guid) == GUID else encoding
    width = frame // n_channels if n_channels else 0
    whole = n_channels and frame % n_channels == 0 and 8 * (width - 1) < bits <= 8 * width
    if encoding not in (PCM, FLOAT) or not whole or width not in ((1, 2, 3, 4, 8) if encoding == PCM else (4, 8)):
        what = ENCODINGS.get(
            encoding, "PCM" if encoding == PCM else "float" if encoding == FLOAT else f"format {encoding}"
        )
        _refuse(
            path,
            f"its samples are {what} of {bits} bits in {frame} bytes for {n_channels} channels",
            "Save it as PCM or float",
        )
    (start, length) = data[0]
    if length % frame:
        _refuse(path, f"its {length} bytes of samples end within one, of {frame} bytes", "Copy it again")
    return WavFile(path, sfreq, n_channels, length // frame, encoding, width, order, start)


def _are_parts(file: BinaryIO, start: int, size: int, order: str) -> bool:
    """Return whether a file goes on with named parts up to its end, so that what precedes them is really empty."""
    position = start
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if not _is_name(name):
            return False
        position += 8 + length + length % 2
    return position - size in (0, 1)


def _is_name(name: bytes) -> bool:
    """Return whether four bytes can be the name of a part of a file, which are printable characters."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _refuse(path: Path, why: str, remedy: str) -> NoReturn:
    raise RecordingError(
        f"{path}: its {path.stat().st_size} bytes are no complete wav file of plain samples ({why}). {remedy}"
    )
