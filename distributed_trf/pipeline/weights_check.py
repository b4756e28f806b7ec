"""Whether the trained weights of a study's networks are those of its tables, before anything is computed with them."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import loads_file
from distributed_trf.features.families.weights_fit import misfit
from distributed_trf.pipeline.items import Extract
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.pipeline.study_context import Context


def check_weights_fit(context: Context, planned: Sequence[Planned]) -> None:
    """Refuse a study if the weights that an extraction is to load do not fit its network in every name and shape.

    Only files and folders on this machine are looked at. Missing ones fail their own network when it is built.

    Raises
    ------
    FeatureError
        With what does not fit, of each network.
    """
    todo = [p.item for p in planned if p.state is not State.DONE]
    names = {item.network for item in todo if isinstance(item, Extract) and loads_file(item.weights)}
    wrong = [
        problem
        for network in context.study.networks
        if network.name in names
        if (problem := misfit(context.tables[network.name], network)) is not None
    ]
    if wrong:
        raise FeatureError("\n".join(wrong))
