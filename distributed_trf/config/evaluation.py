"""What fits are tested on: a fixed test set, folds of all stimuli, given splits, or groups left out in turn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from distributed_trf.config.fields import AbsolutePath
from distributed_trf.config.load import Settings

EVALUATION = "evaluation"
"""Input of fits: how they are tested."""
WAYS = (
    "{set: test} (the test stimuli of the recordings), {folds: 5}, {splits: splits.csv} or "
    "{leave_out: talker, table: stimuli.csv}"
)


class EvaluationSettings(Settings):
    """Which stimuli are predicted by fits on which others.

    One of ``{set: test}``, ``{folds: K}``, ``{splits: FILE}`` and ``{leave_out: COLUMN, table: FILE}``. The penalty is
    always chosen within the training stimuli, by the folds of ``ridge``.
    """

    set: Literal["test"] | None = None
    """The test stimuli of the recordings, predicted by one fit on all others."""
    folds: Annotated[int, Field(ge=3)] | None = None
    """Nested cross-validation: all stimuli, or with ``leave_out`` their groups, are dealt into so many outer folds,
    each of which is predicted by a fit on the others. Three at least: of those that train, one is held out to choose
    the penalty."""
    splits: AbsolutePath | None = None
    """CSV with columns ``split, stimulus, part`` (``train`` or ``test``), and ``stimulus_set`` where there are several;
    relative to the folder of the study file. Splits may overlap."""
    leave_out: Annotated[str, Field(min_length=1)] | None = None
    """Column of ``table`` whose groups are predicted in turn, each by a fit on the others."""
    table: AbsolutePath | None = None
    """CSV with columns ``stimulus``, that of ``leave_out``, and ``stimulus_set`` where there are several; relative to
    the folder of the study file."""

    @model_validator(mode="after")
    def _one_way(self) -> EvaluationSettings:
        dealt = self.folds is not None and self.leave_out is None
        given = [self.set is not None, dealt, self.splits is not None, self.leave_out is not None]
        if sum(given) != 1:
            raise ValueError(f"expected one way to test, of {WAYS}; found {sum(given) or 'none'}")
        if (self.leave_out is None) != (self.table is None):
            raise ValueError(
                "leave_out and table go together: `table` is the CSV file of stimuli, `leave_out` its column of groups"
            )
        return self

    @property
    def fixed(self) -> bool:
        """Whether the recordings' own test stimuli are tested; with other schemes no stimulus is one by itself."""
        return self.set is not None

    def summary(self) -> str:
        """Say in a report what is tested.

        Examples
        --------
        >>> EvaluationSettings(folds=5).summary()
        'all stimuli in 5 outer folds, each by a fit on the others'
        """
        if self.set is not None:
            return "the test stimuli of the recordings, by a fit on all others"
        if self.splits is not None:
            return f"what each split of {self.splits} tests, by a fit on what it trains on"
        what = "stimuli" if self.leave_out is None else f"groups of `{self.leave_out}` in {self.table}"
        return f"all {what} in {f'{self.folds} outer folds' if self.folds else 'turn'}, each by a fit on the others"

    def inputs(self) -> dict[str, dict[str, int | str | bool | None]]:
        """Return what fits depend on, for their fingerprints, apart from the content of tables.

        A fixed test set says nothing, so that results of earlier versions, which knew nothing else, stay valid.
        """
        if self.fixed:
            return {}
        return {EVALUATION: {"folds": self.folds, "leave_out": self.leave_out, "given": self.splits is not None}}
