"""A handful of generated utterances, laid out as the benchmarks' publishers do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

WORDS = {"a1": "HELLO WORLD", "a2": "IT IS MISTER JONES'S COLOUR", "a3": "TWENTY FIVE"}
SFREQ = 16_000


def tone(k: int, sfreq: int = SFREQ, seconds: float = 0.6) -> np.ndarray:
    """A sound that differs by number."""
    t = np.arange(round(seconds * sfreq)) / sfreq
    return 0.3 * np.sin(2 * np.pi * 200 * (k + 1) * t)


def librispeech(root: Path) -> Path:
    """LibriSpeech/test-clean with one chapter of one speaker."""
    chapter = root / "test-clean/61/70968"
    chapter.mkdir(parents=True)
    names = [f"61-70968-000{k}" for k in range(len(WORDS))]
    for k, name in enumerate(names):
        soundfile.write(chapter / f"{name}.flac", tone(k), SFREQ)
    lines = [f"{name} {text}\n" for name, text in zip(names, WORDS.values(), strict=True)]
    (chapter / "61-70968.trans.txt").write_text("".join(lines))
    return root / "test-clean"


def tedlium(root: Path) -> Path:
    """TEDLIUM_release-3/legacy/test with one talk of three stretches, the second not scored."""
    for name in ("stm", "sph"):
        (root / "test" / name).mkdir(parents=True)
    sound = np.concatenate([tone(k) for k in range(4)])
    soundfile.write(root / "test/sph/Talk_2010.sph", sound, SFREQ, format="NIST", subtype="PCM_16")
    label = "<o,f0,male>"
    (root / "test/stm/Talk_2010.stm").write_text(
        f"Talk_2010 1 Talk_2010 0.00 0.60 {label} hello world\n"
        f"Talk_2010 1 Talk_2010 0.60 1.20 {label} ignore_time_segment_in_scoring\n"
        f"Talk_2010 1 Talk_2010 1.20 1.80 {label} ignore_time_segment_in_scoring\n"
        f"Talk_2010 1 Talk_2010 1.80 2.40 {label} twenty five\n"
    )
    return root / "test"


def common_voice(root: Path) -> Path:
    """cv-corpus/en with test.tsv and clips at 48 kHz."""
    clips = root / "en/clips"
    clips.mkdir(parents=True)
    soundfile.write(clips / "common_voice_en_1.mp3", tone(0, 48_000), 48_000)
    soundfile.write(clips / "common_voice_en_2.mp3", tone(1, 48_000), 48_000)
    (root / "en/test.tsv").write_text(
        "client_id\tpath\tsentence\tup_votes\n"
        'x\tcommon_voice_en_1.mp3\t"Hello," she said.\t2\n'
        "y\tcommon_voice_en_2.mp3\tTwenty-five.\t2\n"
    )
    return root / "en"


def voxpopuli(root: Path) -> Path:
    """transcribed_data/en with asr_test.tsv and a folder by year."""
    (root / "en/2012").mkdir(parents=True)
    for k, name in enumerate(("20120101-a", "20120101-b")):
        soundfile.write(root / f"en/2012/{name}.ogg", tone(k), SFREQ)
    (root / "en/asr_test.tsv").write_text(
        "id\traw_text\tnormalized_text\tspeaker_id\n"
        "20120101-a\tHello, World!\thello world\t1\n"
        "20120101-b\t25\ttwenty five\t1\n"
    )
    return root / "en"


def saved_dataset(root: Path) -> Path:
    """What ``datasets`` saves of one split, sounds inside."""
    import io

    from datasets import Dataset

    def encoded(k: int) -> dict[str, object]:
        file = io.BytesIO()
        soundfile.write(file, tone(k), SFREQ, format="WAV")
        return {"bytes": file.getvalue(), "path": None}

    rows = {"id": ["u1", "u2"], "audio": [encoded(0), encoded(1)], "text": ["hello world", "twenty five"]}
    Dataset.from_dict(rows).save_to_disk(str(root / "saved"))
    return root / "saved"
