"""What the published files call networks, spectrograms and stimulus sets, and what they are called here."""

from __future__ import annotations

from distributed_trf.config.locate import listed
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.recordings.recording_set import MVOCS, TIMIT

STIMULI = {"timit": TIMIT, "mVocs": MVOCS}
"""Stimulus sets by their published name."""
NETWORKS = {"wav2letter_modified": "wav2letter"}
"""Networks that have another name here; all others have the same."""
SPECTROGRAMS = {
    "wavlet": "wavelet",
    "coch": "cochleagram",
    "mel": "mel_speech2text",
    "mel_wh": "mel_whisper",
    "mel_ds": "mel_deepspeech2",
    "mel_lib": "mel_librosa",
}
"""Spectrograms by the tag in the names of their files."""
ORDER = (
    *("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2"),
    *("w2v2_audioset", "cochresnet50", "cochcnn9"),
    *("cochleagram", "wavelet", "mel_speech2text", "mel_whisper", "mel_deepspeech2", "mel_librosa"),
)
"""Networks in the order in which the paper and its figures name them."""


def in_order(networks: set[str]) -> list[str]:
    """Return networks in the order of the paper, then others by name."""
    return sorted(networks, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def table_of(network: str) -> NetworkTable | None:
    """Return the table of a network, None where nothing is known of it."""
    return load_table(network) if network in listed("configs/networks") else None
