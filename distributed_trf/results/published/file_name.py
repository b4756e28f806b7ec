"""What the name of a published file says, read and written.

::

    <network>_<run>_corr_results.csv
    STRF_freqs80_<spectrogram>_<run>_corr_results.csv
    <run> = <dataset>_[reset_](timit|mVocs)_trf_lags<ms>[_bw<ms>][_bootstrap[_test]][_<identifier>]

What was run otherwise is told by the end of the identifier: ``_LPF_20`` for features that were low-passed and fitted at
bins of 20 ms, ``_l3`` for layer 3 before files of layers were merged, and after ``reset_`` the word of a control,
such as ``_permuted``, where it is not ``reset`` itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from distributed_trf.config.weights import FIXED, TRAINED, Weights
from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.networks import NETWORKS, SPECTROGRAMS, STIMULI

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
            f"{name}: such a name cannot tell what the file is of ({of}); choose another identifier, or leave out what "
            "has no name in the published layout (ds.sel)"
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
