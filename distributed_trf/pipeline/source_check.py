"""Whether the files that extractions are to load are those of a study's tables, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import loads_file
from distributed_trf.features.families.weights_fit import misfit
from distributed_trf.features.own.files import missing
from distributed_trf.pipeline.items import Extract
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.pipeline.study_context import Context


def check_sources(context: Context, planned: Sequence[Planned]) -> None:
    """Refuse a study if trained weights do not fit their network, or features of one's own are not there.

    Of weights only files and folders on this machine are looked at. Missing ones fail their own network when it is
    built.

    Raises
    ------
    FeatureError
        With what does not fit or is not there, of each network.
    """
    todo = [p.item for p in planned if p.state is not State.DONE and isinstance(p.item, Extract)]
    if wrong := [*_weights(context, todo), *_own_features(context, todo)]:
        raise FeatureError("\n".join(wrong))


def _weights(context: Context, todo: Sequence[Extract]) -> Iterator[str]:
    names = {item.network for item in todo if loads_file(item.weights)}
    for network in context.study.networks:
        if network.name in names and (problem := misfit(context.tables[network.name], network)) is not None:
            yield problem


def _own_features(context: Context, todo: Sequence[Extract]) -> Iterator[str]:
    wanted = {(item.network, item.stimuli) for item in todo}
    for network in context.study.networks:
        table = context.tables[network.name]
        for stimuli, sounds in context.stimuli.items() if table.reads_files else ():
            if (network.name, stimuli) in wanted:
                problem = missing(table, network, stimuli, [sound.id for sound in sounds])
                yield from [] if problem is None else [problem]
