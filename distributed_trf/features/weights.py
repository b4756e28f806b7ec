"""Where a network's weights come from, and the untrained control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributed_trf.config.study import NetworkSettings, Weights
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.store.fingerprint import digest_file, file_stamps


def weights_source(table: NetworkTable, settings: NetworkSettings) -> tuple[str, str | None]:
    """Return folder or hub id, and revision, of the trained weights.

    Raises
    ------
    FeatureError
        If a hub id comes without the commit that pins it.
    """
    source, revision = (settings.source, settings.revision) if settings.source else (table.source, table.revision)
    if source is None:
        raise FeatureError(f"{table.name}: no trained weights are known; give their folder as `source` in the study")
    if not Path(source).is_dir() and revision is None:
        raise FeatureError(
            f"{table.name}: source {source!r} is no folder here, and a hub id needs the commit to load as `revision`"
        )
    return source, revision


def weights_identity(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> Any:
    """Describe what fixes the weights, for fingerprints: content of the files, pinned commit, or seed."""
    if weights == "fixed":
        return "fixed"
    if weights == "reset":
        return {"seed": settings.seed, "config": table.config}
    try:
        source, revision = weights_source(table, settings)
    except FeatureError as error:
        return {"unavailable": str(error)}  # the work item says so when it runs, and others go on
    if Path(source).is_dir():
        files = [*Path(source).glob("*.safetensors"), *Path(source).glob("config.json")]  # heads, activations, ...
        return {file.name: digest_file(file) for file in sorted(files)}
    return {"hub": source, "revision": revision}


def weights_stamps(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> list[list[Any]]:
    """Name, size and time of the files of trained weights: quick to take before a built network is used again."""
    source = settings.source or table.source
    if weights != "trained" or source is None or not Path(source).is_dir():
        return []
    return file_stamps(path for path in Path(source).iterdir() if path.is_file())


def reset(model: Any, seed: int) -> int:
    """Re-initialise a network on the CPU in place, module by module, with torch's own defaults.

    Every module that has ``reset_parameters`` is reset, in the order of ``named_modules``: the published control (Ahmed
    et al. 2025), with a seed. Torch's global random state is left as it was.

    Returns
    -------
    int
        Number of parameters that were reset.

    Raises
    ------
    FeatureError
        If a parameter belongs to no module that can be reset, so that the control would not be one.
    """
    import torch

    modules = [(name, m) for name, m in model.named_modules() if callable(getattr(m, "reset_parameters", None))]
    covered = {id(p) for _, m in modules for p in m.parameters()}
    left = [name for name, p in model.named_parameters() if id(p) not in covered]
    if left or not covered:
        raise FeatureError(f"{type(model).__name__}: cannot reset {', '.join(left) or 'any parameter'}")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU for good
        for _, module in modules:
            module.reset_parameters()
    return sum(p.numel() for p in model.parameters())
