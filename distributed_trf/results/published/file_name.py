"""Names of the published files: what they say, read and written, and the names of networks, columns and penalties.

::

    <network>_<run>_corr_results.csv
    STRF_freqs80_<spectrogram>_<run>_corr_results.csv
    <run> = <dataset>_[reset_](timit|mVocs)_trf_lags<ms>[_bw<ms>][_bootstrap[_test]][_<identifier>]

The end of the identifier says how a run differed: ``_LPF_20`` for features that were low-passed and fitted at
bins of 20 ms, ``_l3`` for layer 3 before files of layers were merged, and after ``reset_`` the word of a control,
such as ``_permuted``, where it is not ``reset`` itself.

The columns of the published files.

A file has columns for both stimulus sets, those of vocalisations with a prefix. It is of one set, and holds 0 in the
columns of the other. Normalisers and nulls were put in later; before, ``normalizer`` holds 0.

Penalties and their base-10 logarithms, which are what the published files hold.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from distributed_trf.config.extraction import FIXED, TRAINED, Weights
from distributed_trf.config.load import listed
from distributed_trf.errors import ResultsFileError
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


Kind = Literal["grid", "lowpass", "bootstrap-training", "bootstrap-test"]
RESET = "reset"
N_BANDS = 80
"""Of every spectrogram."""
ENDING = "_corr_results.csv"
_NUMBER = r"\d+(?:\.\d+)?"
_NAME = re.compile(
    rf"(?P<source>.+?)_(?P<dataset>ucsf|ucdavis)_(?P<reset>reset_)?(?P<stimuli>{'|'.join(STIMULI)})_trf"
    rf"_lags(?P<lag>{_NUMBER})(?:_bw(?P<bin_width>{_NUMBER}))?(?P<bootstrap>_bootstrap(?:_test)?)?"
    rf"(?:_(?P<identifier>.+))?{re.escape(ENDING)}"
)
_SPECTROGRAM = re.compile(r"STRF_freqs(?P<bands>\d+)_(?P<tag>.+)")
_LOWPASS = re.compile(rf"(?:^|_)LPF_(?P<bin_width>{_NUMBER})(?=_|$)")
_LAYER = re.compile(r"(?:^|_)l(?P<layer>\d+)$")
_WEIGHTS: TypeAdapter[str] = TypeAdapter(Weights)


@dataclass(frozen=True)
class FileName:
    """What a file is of, in the words of this package."""

    dataset: str
    """``ucsf`` or ``ucdavis``."""
    stimuli: str
    network: str
    weights: str
    lag: float
    """Largest delay in ms; the smallest is 0."""
    bin_width: float | None
    """Milliseconds; of low-passed features that which they were fitted at. None where the name does not say."""
    identifier: str = ""
    """What the user called the run; of a bootstrap, one draw."""
    kind: Kind = "grid"
    layer: int | None = None
    """Of files of one layer."""


def parse_name(name: str) -> FileName:
    """Read the name of a file.

    Raises
    ------
    ResultsFileError
        If it is not of the published form, saying why.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ResultsFileError(
            f"its name is not <network>_<dataset>_[reset_](timit|mVocs)_trf_lags<ms>[_bw<ms>][_<identifier>]{ENDING}"
        )
    network, is_spectrogram = _network(found["source"])
    identifier, layer, weights = found["identifier"] or "", None, FIXED
    if is_spectrogram:
        if found["reset"] or found["bootstrap"]:
            raise ResultsFileError("its name says reset or bootstrap, which there are of networks only")
    else:
        identifier, layer = _cut(_LAYER, identifier, "layer")
        identifier, weights = _control(identifier) if found["reset"] else (identifier, TRAINED)
    identifier, lowpass = _cut(_LOWPASS, identifier, "bin_width")
    if lowpass and found["bootstrap"]:
        raise ResultsFileError("its name says bootstrap and LPF, which are never one")
    bin_width = lowpass or found["bin_width"]
    kinds: dict[str | None, Kind] = {"_bootstrap": "bootstrap-training", "_bootstrap_test": "bootstrap-test"}
    return FileName(
        dataset=found["dataset"],
        stimuli=STIMULI[found["stimuli"]],
        network=network,
        weights=weights,
        lag=float(found["lag"]),
        bin_width=float(bin_width) if bin_width else None,
        identifier=identifier,
        kind="lowpass" if lowpass else kinds.get(found["bootstrap"], "grid"),
        layer=int(layer) if layer else None,
    )


def write_name(of: FileName) -> str:
    """Return the name of the merged file of all layers.

    Raises
    ------
    ResultsFileError
        If the name would be read as another one.
    """
    spectrograms = {name: tag for tag, name in SPECTROGRAMS.items()}
    networks = {name: published for published, name in NETWORKS.items()}
    stimuli = {name: published for published, name in STIMULI.items()}
    if of.weights == FIXED:
        source = f"STRF_freqs{N_BANDS}_{spectrograms.get(of.network, of.network)}"
    else:
        source = networks.get(of.network, of.network)
    reset = "" if of.weights in (FIXED, TRAINED) else "reset_"
    lowpass = of.kind == "lowpass"
    bins = "" if lowpass or of.bin_width is None else f"_bw{of.bin_width:g}"
    bootstrap = f"_{of.kind.replace('-training', '').replace('-', '_')}" if of.kind.startswith("bootstrap") else ""
    parts = [
        of.identifier,
        f"LPF_{of.bin_width:g}" if lowpass else "",
        of.weights if reset and of.weights != RESET else "",
        "" if of.layer is None else f"l{of.layer}",
    ]
    identifier = "".join(f"_{part}" for part in parts if part)
    run = f"{of.dataset}_{reset}{stimuli.get(of.stimuli, of.stimuli)}_trf_lags{of.lag:g}{bins}{bootstrap}{identifier}"
    name = f"{source}_{run}{ENDING}"
    try:
        read = parse_name(name)
    except ResultsFileError:
        read = None
    if read != of:
        raise ResultsFileError(
            f"{name}: such a name does not show what the file is of ({of}); choose another identifier, or leave out "
            "what has no name in the published layout (ds.sel)"
        )
    return name


def _network(source: str) -> tuple[str, bool]:
    """Return the name of a network, and whether it is a spectrogram."""
    spectrogram = _SPECTROGRAM.fullmatch(source)
    if spectrogram is None:
        return NETWORKS.get(source, source), False
    if int(spectrogram["bands"]) != N_BANDS:
        raise ResultsFileError(f"its spectrogram has {spectrogram['bands']} bands; expected {N_BANDS}")
    return SPECTROGRAMS.get(spectrogram["tag"], spectrogram["tag"]), True


def _cut(pattern: re.Pattern[str], identifier: str, group: str) -> tuple[str, str | None]:
    """Take what a pattern says out of an identifier."""
    found = pattern.search(identifier)
    if found is None:
        return identifier, None
    return (identifier[: found.start()] + identifier[found.end() :]).removeprefix("_"), found[group]


def _control(identifier: str) -> tuple[str, str]:
    """Split the word of a control off the end of an identifier; without one the control is ``reset``."""
    parts = identifier.split("_")
    for k in range(len(parts)):
        word = "_".join(parts[k:])
        if word not in (TRAINED, FIXED, RESET) and _is_weights(word):
            return "_".join(parts[:k]), word
    return identifier, RESET


def _is_weights(word: str) -> bool:
    try:
        _WEIGHTS.validate_python(word)
    except ValidationError:
        return False
    return True


_CALLS = "mVocs_"
R, NORMALISER, NULL_MEAN, NULL_STD, RHO = "test_cc_raw", "normalizer", "null_mean", "null_std", "normalized_test_cc"
LATER = {NORMALISER: "normaliser", NULL_MEAN: "null_mean", NULL_STD: "null_std"}
"""What was put in later about each unit, by its name here."""
LAYER_TYPE = "layer_type"
N_SENTENCES = 500
"""In column ``N_sents`` of every row."""


def prefixes(stimuli: str) -> tuple[str, str]:
    """Return what the columns of a stimulus set begin with, and those of the other one."""
    return ("", _CALLS) if stimuli == TIMIT else (_CALLS, "")


def columns_of(of: FileName) -> list[str]:
    """Return the columns that a file has from the start, in order."""
    both = [f"{prefix}{name}" for prefix in ("", _CALLS) for name in (R, NORMALISER)]
    if of.weights == FIXED:
        return ["session", "bin_width", "delay", "channel", *both[::2], "num_freqs", "tmin", "tmax", "lmbda"]
    fifth, last = ("percent_duration", "n_test_trials") if is_bootstrap(of.kind) else ("delay", "N_sents")
    return ["session", "layer", "channel", "bin_width", fifth, *both, "opt_lag", "opt_lmbda", last]


def later_columns(of: FileName) -> list[str]:
    """Return the columns that were put in later, in order."""
    prefix, _ = prefixes(of.stimuli)
    names = [NORMALISER] if of.weights == FIXED else []
    layer_type = [] if of.weights == FIXED else [LAYER_TYPE]
    return [*(prefix + name for name in (*names, NULL_MEAN, NULL_STD)), *layer_type, prefix + RHO]


def is_bootstrap(kind: Kind) -> bool:
    """Return whether rows are of draws."""
    return kind.startswith("bootstrap")


def penalty_of(exponent: np.ndarray) -> np.ndarray:
    """Return ten to the power of each exponent; NaN stays.

    Powers of ten are exact on every machine, unlike those of ``numpy.power``.
    """
    values, index = np.unique(exponent, return_inverse=True)
    return np.array([_power(x) for x in values.tolist()], dtype=np.float64)[index]


def exponent_of(penalty: np.ndarray) -> np.ndarray:
    """Return the base-10 logarithm of each penalty; NaN stays.

    Whole where the penalty is a power of ten, or next to one, as such a grid may be.
    """
    values, index = np.unique(penalty, return_inverse=True)
    return np.array([_logarithm(x) for x in values.tolist()], dtype=np.float64)[index]


def _power(exponent: float) -> float:
    if exponent.is_integer() and abs(exponent) <= 300:
        return float(f"1e{exponent:.0f}")
    return float(np.power(10.0, exponent))


def _logarithm(penalty: float) -> float:
    if math.isnan(penalty):
        return penalty
    exponent = math.log10(penalty)
    whole = round(exponent)
    return float(whole) if math.isclose(penalty, _power(float(whole)), rel_tol=4e-16, abs_tol=0.0) else exponent
