"""Whether the responses of a study's sessions go together, and with its bins and lags."""

from __future__ import annotations

from distributed_trf.errors import ConfigError
from distributed_trf.pipeline.study_context import Context
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS
from distributed_trf.trf.lags import lag_samples


def check_responses(context: Context) -> None:
    """Check that the sessions' responses go together, and with the bins and lags of the study.

    Raises
    ------
    ConfigError
        If spikes, signals and values are mixed, or bins and lags are not those of values.
    """
    study = context.study
    for stimuli in study.stimuli:
        kinds: dict[str, list[str]] = {}
        for session in context.recordings.heard(stimuli):
            kinds.setdefault(session.response, []).append(session.name)
        if len(kinds) > 1:
            named = "; ".join(f"{kind} in {some_of(sessions, 3)}" for kind, sessions in kinds.items())
            raise ConfigError(
                f"recordings: {stimuli} was presented in sessions with different responses: {named}; expected one kind "
                "in a study. Make a recording set of each (`use` in sessions.csv leaves sessions out)"
            )
        lags = [lag_samples(study.lags.tmin, study.lags.tmax, 1000 / width) for width in study.bin_widths]
        if "values" in kinds and (study.bin_widths != [WHOLE_STIMULUS] or lags != [(0,)]):
            raise ConfigError(
                f"bin_widths, lags: {stimuli} has one value per sound, but bin_widths are "
                f"{', '.join(f'{width:g}' for width in study.bin_widths)} ms and lags from {study.lags.tmin:g} to "
                f"{study.lags.tmax:g} s; expected `bin_widths: [{WHOLE_STIMULUS:g}]`, at which a sound is one bin, and "
                "`lags: {tmin: 0, tmax: 0}`"
            )
        shortest = min(context.stimuli[stimuli], key=lambda s: s.duration)
        if study.feature_window is not None and study.feature_window[0] >= shortest.duration:
            raise ConfigError(
                f"feature_window: begins at {study.feature_window[0]:g} s, but {shortest.id} of {stimuli} lasts "
                f"{shortest.duration:.3f} s; expected a window that begins within every sound"
            )
        if study.feature_window is not None and ("spikes" in kinds or study.bin_widths != [WHOLE_STIMULUS]):
            raise ConfigError(
                f"feature_window: {stimuli} has {', '.join(kinds)} on bins of "
                f"{', '.join(f'{width:g}' for width in study.bin_widths)} ms; expected a signal or values and "
                f"`bin_widths: [{WHOLE_STIMULUS:g}]`, at which features are averaged. Leave it out"
            )
