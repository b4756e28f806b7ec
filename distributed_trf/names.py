"""Names, descriptions and units of the dimensions and variables of the results."""

from __future__ import annotations

from dataclasses import dataclass

STIMULI, NETWORK, WEIGHTS, LAYER, BIN_WIDTH, UNIT = "stimuli", "network", "weights", "layer", "bin_width", "unit"
GRID = (STIMULI, NETWORK, WEIGHTS, LAYER, BIN_WIDTH)
"""Dimensions on which a fit has one label each: the coordinates of its cell."""
RESULT_DIMS = (*GRID, UNIT)


@dataclass(frozen=True)
class Variable:
    """Description of a variable of the results."""

    long_name: str
    units: str
    comment: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes with the names of the CF conventions."""
        attrs = {"long_name": self.long_name, "units": self.units}
        return attrs | {"comment": self.comment} if self.comment else attrs


RESULTS = {
    "r": Variable(
        "test correlation",
        "1",
        "Pearson r between prediction and counts over the concatenated test stimuli, per repeat, then the mean over "
        "repeats, in which one without a spike counts as 0; NaN where not computed, or where the unit or its "
        "prediction never varies",
    ),
    "alpha": Variable("ridge penalty", "1", "chosen per unit by mean R^2 over folds; the penalty is rows * alpha"),
    "cv_score": Variable("cross-validated R^2", "1", "mean over folds of the held-out R^2 at the chosen penalty"),
}
RELIABILITY_DIMS = (STIMULI, BIN_WIDTH, UNIT)
RELIABILITY = {
    "normaliser": Variable(
        "inter-trial correlation",
        "1",
        "mean over random pairings of presentations of each test stimulus of Pearson r over the concatenated stimuli, "
        "0 where a side has no spike, weighted so that silence costs it as much as r; NaN, here and below, where not "
        "computed or where the unit never varies",
    ),
    "normaliser_expected": Variable(
        "inter-trial correlation in closed form",
        "1",
        "what the mean over draws approaches; NaN where repeats have so few spikes that no closed form tells",
    ),
    "silent_repeats": Variable(
        "fraction of test repeats without a spike",
        "1",
        "of the concatenated test stimuli, in as many repeats as all of them have; r is 0 in such a repeat; 1 for a "
        "unit without a spike in the test",
    ),
    "normaliser_median": Variable(
        "median inter-trial correlation", "1", "over the draws of which normaliser is the mean"
    ),
    "null_mean": Variable("mean inter-trial correlation with one side shifted in time", "1"),
    "null_median": Variable("median inter-trial correlation with one side shifted in time", "1"),
    "null_std": Variable("standard deviation of single draws of the shifted inter-trial correlation", "1"),
    "tuned_p": Variable(
        "p-value of tuning",
        "1",
        "mean correlation of repeats against that of repeats shifted circularly by random bins; not corrected for the "
        "number of units",
    ),
    "tuned_p_published": Variable(
        "p-value of tuning as published",
        "1",
        "Mann-Whitney U of draws against shifted draws: draws are no independent samples, so that noise is often "
        "called tuned",
    ),
    "signal_power": Variable("variance of what repeats", "counts^2", "Sahani & Linden 2003; may be below zero"),
    "ceiling_signal_power": Variable(
        "ceiling of r with single repeats", "1", "sqrt(signal power / total power); NaN without signal power"
    ),
    "ceiling_ccmax": Variable(
        "ceiling of r with the mean over repeats", "1", "CCmax of Schoppe et al. 2016; NaN without signal power"
    ),
    "ceiling_split_half": Variable(
        "ceiling of r with the mean over repeats, from halves", "1", "Spearman-Brown; NaN where halves do not correlate"
    ),
}
RHO = Variable("normalised test correlation", "1", "r / sqrt(normaliser); NaN where the normaliser is not positive")
COORDS = {
    STIMULI: Variable("stimulus set", ""),
    NETWORK: Variable("feature source", ""),
    WEIGHTS: Variable(
        "weights of the network",
        "",
        "trained, fixed (a spectrogram), or a control such as reset (re-initialised); reset-1 has seed 1",
    ),
    LAYER: Variable("layer number", "1"),
    BIN_WIDTH: Variable("width of a time bin", "ms"),
    "session": Variable("recording session", ""),
    "channel": Variable("channel or unit label within the session", ""),
    "area": Variable("cortical area group", ""),
    "subject": Variable("animal and hemisphere", ""),
    "x": Variable("recording site, caudal to rostral", "5 mm"),
    "y": Variable("recording site, ventral to dorsal", "5 mm"),
    "layer_name": Variable("module whose output was recorded", ""),
    "layer_type": Variable("kind of layer", "", "conv, rnn, transformer or spectrogram"),
}
