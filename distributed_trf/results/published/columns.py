"""The columns of the published files.

A file has columns for both stimulus sets, those of vocalisations with a prefix. It is of one set, and holds 0 in the
columns of the other. Normalisers and nulls were put in later; before, ``normalizer`` holds 0.
"""

from __future__ import annotations

from distributed_trf.config.weights import FIXED
from distributed_trf.recordings.recording_set import TIMIT
from distributed_trf.results.published.file_name import FileName, Kind

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
    """Tell whether rows are of draws."""
    return kind.startswith("bootstrap")
