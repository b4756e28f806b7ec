"""Names, descriptions and units of the dimensions and variables of the results."""

from __future__ import annotations

from dataclasses import dataclass

STIMULI, NETWORK, WEIGHTS, LAYER, BIN_WIDTH, UNIT = "stimuli", "network", "weights", "layer", "bin_width", "unit"
GRID = (STIMULI, NETWORK, WEIGHTS, LAYER, BIN_WIDTH)
"""Dimensions on which a fit has one label each: the coordinates of its cell."""
RESULT_DIMS = (*GRID, UNIT)
SPACE, SUBSET = "space", "subset"
"""Dimensions of analyses of several feature spaces: a space, and a set of them."""
SPLIT = "split"
"""Dimension of what each split of a study gives: outer folds, given splits, or groups that are left out."""
SPLIT_RESULT_DIMS = (*GRID, SPLIT, UNIT)
FOLD_R, FOLD_ALPHA = "fold_r", "fold_alpha"


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
        "Pearson r between prediction and response over the concatenated test stimuli, per repeat, then the mean over "
        "repeats, in which one without a spike counts as 0; NaN where not computed, or where the unit or its "
        "prediction never varies",
    ),
    "alpha": Variable("ridge penalty", "1", "chosen per unit by mean R^2 over folds; the penalty is rows * alpha"),
    "cv_score": Variable("cross-validated R^2", "1", "mean over folds of the held-out R^2 at the chosen penalty"),
    "r_p": Variable(
        "p-value of the test correlation",
        "1",
        "one-sided: (b + 1) / (K + 1), b of K copies of the prediction reach r, each moved circularly within every "
        "test stimulus by bins that draw_shifts draws with chance.shifts, chance.seed and the key (stimuli, bin_width) "
        "(distributed_trf.trf.shifted_predictions); of stimuli of one bin, whole stimuli change places. What differs "
        "between stimuli alone does not count. Not corrected for the number of units or fits; NaN where r is, and "
        "without `chance` in the study",
    ),
    "r_second_half": Variable(
        "test correlation in the second half of the repeats",
        "1",
        "as r, over the repeats of normaliser_second_half, to be read of units that were selected on the first half; "
        "NaN with fewer than 4 repeats",
    ),
    "r2_er": Variable(
        "squared correlation with the expected response",
        "1",
        "r2_ER of Pospisil & Bair 2021 over the concatenated test stimuli, from means over pairs of distinct repeats: "
        "mean of q_i q_j by sum p^2 times mean of sum y_i y_j, q_i = sum p y_i, prediction p and repeats y around "
        "their means over bins. Below 0 or above 1 at times, and without the sign of r; NaN with fewer than 2 "
        "repeats, where no signal power is found, and where r is",
    ),
    "r2_er_low": Variable(
        "lower limit of r2_er",
        "1",
        "of the 95 % interval in [0, 1] for these stimuli (distributed_trf.reliability.noise_intervals), also of units "
        "without r2_er because no signal power is found; 0 and 1 where repeats say nothing; NaN with fewer than 2 "
        "repeats, and where r is",
    ),
    "r2_er_high": Variable("upper limit of r2_er", "1", "see r2_er_low"),
    "cc_norm": Variable(
        "correlation with the mean over repeats by its ceiling",
        "1",
        "CCnorm of Schoppe et al. 2016: cov(p, mean over repeats) / (sd(p) sqrt(signal power)); signed, above 1 at "
        "times, and too high in square on the whole where signal power is low; NaN where r2_er is",
    ),
}
_ONE_PREDICTION = (
    "as with a fixed test set, of the out-of-fold predictions of all stimuli; NaN also where r is the mean of fold_r "
    "of several splits"
)
RESULTS_OF_SPLITS = {
    "r": "Pearson r between prediction and response, per repeat, then the mean over repeats, in as many as all tested "
    "stimuli have. Where each stimulus is tested once: over the out-of-fold predictions of all stimuli, one after "
    "another (scikit-learn's cross_val_predict), which is not the mean of fold_r. Otherwise the mean of fold_r "
    "(cross_val_score) over the splits in which it is defined. NaN where not computed, or where the unit or "
    "its prediction never varies",
    "alpha": "geometric mean over splits; in each split chosen per unit by mean R^2 over its inner folds",
    "cv_score": "mean over splits, and over the inner folds of each, of the held-out R^2 at the chosen penalty",
    "r_p": "as with a fixed test set (copies of the prediction, moved circularly within every stimulus by bins that "
    "draw_shifts draws with chance.shifts, chance.seed and the key (stimuli, bin_width)), of the out-of-fold "
    "predictions of all stimuli. As these depend on one another, deviations of copies from their mean are taken "
    "sqrt(2) times. NaN where r is, without `chance` in the study, and where r is the mean of fold_r of several "
    "splits: a stimulus then has several predictions, or none",
    "r_second_half": "as r, over the repeats of normaliser_second_half; NaN with fewer than 4 repeats, where a tested "
    "stimulus lacks some of them",
    "r2_er": _ONE_PREDICTION,
    "r2_er_low": _ONE_PREDICTION,
    "r2_er_high": _ONE_PREDICTION,
    "cc_norm": _ONE_PREDICTION,
}
"""Comments of these variables in a study with folds, splits or groups."""
SPLIT_RESULTS = {
    FOLD_R: Variable(
        "test correlation in each split",
        "1",
        "as r, over the concatenated stimuli that the split tests, in as many repeats as all tested stimuli of the "
        "study have",
    ),
    FOLD_ALPHA: Variable("ridge penalty in each split", "1", "as alpha, of the fit on the split's training stimuli"),
}
"""Of each split and unit, in a study with folds, splits or groups."""
RELIABILITY_DIMS = (STIMULI, BIN_WIDTH, UNIT)
HALVES = (
    "the R repeats that all test stimuli have (of a study by splits: all repeated stimuli), dealt into halves by "
    "deal_repeats with R, reliability.seed (0 without reliability) and the key (stimuli, session) "
    "(distributed_trf.reliability.halves)"
)
RELIABILITY = {
    "normaliser": Variable(
        "inter-trial correlation",
        "1",
        "mean over random pairings of presentations of each test stimulus of Pearson r over the concatenated stimuli, "
        "0 where a side has no spike, weighted so that silence costs it as much as r; NaN, here and below, where not "
        "computed, where stimuli were not repeated, or where the unit never varies",
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
    "mean_response": Variable(
        "mean response in a bin",
        "response",
        "over the concatenated test stimuli, in as many repeats as all of them have; of spikes counts, which over the "
        "width of a bin are the firing rate; known of units that never vary too",
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
    "signal_power": Variable(
        "variance of what repeats", "response^2", "Sahani & Linden 2003; of spikes counts^2; may be below zero"
    ),
    "ceiling_signal_power": Variable(
        "ceiling of r with single repeats", "1", "sqrt(signal power / total power); NaN without signal power"
    ),
    "ceiling_ccmax": Variable(
        "ceiling of r with the mean over repeats", "1", "CCmax of Schoppe et al. 2016; NaN without signal power"
    ),
    "ceiling_split_half": Variable(
        "ceiling of r with the mean over repeats, from halves", "1", "Spearman-Brown; NaN where halves do not correlate"
    ),
    "normaliser_first_half": Variable(
        "inter-trial correlation of the first half of the repeats",
        "1",
        f"as normaliser, a tenth of its draws, of {HALVES}, the first half; NaN with fewer than 4",
    ),
    "null_mean_first_half": Variable(
        "mean inter-trial correlation of the first half of the repeats with one side shifted in time",
        "1",
        "as null_mean, of the draws of normaliser_first_half",
    ),
    "null_std_first_half": Variable(
        "standard deviation of single draws of the shifted inter-trial correlation of the first half of the repeats",
        "1",
        "as null_std, of the draws of normaliser_first_half",
    ),
    "tuned_p_first_half": Variable(
        "p-value of tuning in the first half of the repeats",
        "1",
        "as tuned_p, of the repeats of normaliser_first_half; not corrected for the number of units",
    ),
    "normaliser_second_half": Variable(
        "inter-trial correlation of the second half of the repeats",
        "1",
        f"as normaliser, a tenth of its draws, of {HALVES}, the second half; NaN with fewer than 4",
    ),
}
R2 = (
    "1 - sum (y - p)^2 / sum y^2 over the concatenated test stimuli, y the mean over repeats and p the prediction, "
    "both around their means; signed, and 0 for a prediction that never varies"
)
PARTITION = {
    "r2": Variable("test R^2 of a subset of the feature spaces", "1", R2),
    "r": Variable("test correlation of a subset of the feature spaces", "1", "mean over repeats"),
    "cv_score": Variable("cross-validated R^2 of a subset of the feature spaces", "1"),
    "unique": Variable(
        "unique variance",
        "1",
        "R^2 of all spaces minus R^2 of all without this one; below zero where the space only adds noise",
    ),
    "shared": Variable(
        "shared variance",
        "1",
        "what each of these spaces could explain and no other can (commonality analysis), signed: below zero where "
        "spaces explain more together than apart, or by noise",
    ),
    "product": Variable(
        "share of R^2 by the product measure",
        "1",
        "of the prediction of all spaces as one model; the spaces' shares add up to its R^2",
    ),
}
"""Of a partition of variance over feature spaces."""
BEYOND = {
    "r": Variable("test correlation of the feature spaces with the layer", "1", "mean over repeats"),
    "r_without": Variable("test correlation of the feature spaces without the layer", "1", "mean over repeats"),
    "gain": Variable("r with the layer minus r without it", "1", "a prediction that never varies counts as r = 0"),
    "r2": Variable("test R^2 of the feature spaces with the layer", "1", R2),
    "r2_without": Variable("test R^2 of the feature spaces without the layer", "1", R2),
    "unique": Variable("unique variance of the layer", "1", "r2 minus r2_without, signed"),
    "cv_score": Variable("cross-validated R^2 of the feature spaces with the layer", "1"),
}
"""Of what a layer adds to feature spaces."""
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
UNIT_COORDS = {
    "z": Variable("place of the unit, third axis", "", "as the recordings give it, and so are x and y where this is"),
    "region": Variable("region in which the unit lies", ""),
    "hemisphere": Variable("hemisphere in which the unit lies", ""),
}
"""Further coordinates of units, of recordings that say them."""
SPLIT_LABEL = Variable(
    "split",
    "",
    "what is tested: number of the outer fold, group that is left out, or name of a given split; only in a study with "
    "folds, splits or groups",
)
