"""Where ``configs/`` and ``cluster/`` are: an explicit path, the working directory, then the copy that ships."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from distributed_trf.errors import ConfigError, shown

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(folder: str) -> Path:
    """Return the folder of YAML files that came with the package.

    A wheel holds it inside the package; in a checkout it stands beside it.
    """
    inside = PACKAGE / "_shipped" / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def locate(name: str | Path, folder: str) -> Path:
    """Find a YAML file by path, or by name in ``./folder`` and then in the shipped folder.

    Raises
    ------
    ConfigError
        If it is nowhere, naming the places searched and the names that exist.
    """
    given = Path(name)
    is_yaml = given.suffix in {".yaml", ".yml"}
    file = given if is_yaml else Path(f"{name}.yaml")
    places = [Path(folder) / file, shipped(folder) / file]
    # A word is a name first: a file of weights may be called like its network.
    places.insert(0 if is_yaml or len(given.parts) > 1 else 2, given)
    try:
        for place in places:
            if place.is_file():
                return place
    except OSError as error:  # no right to look there, or a name that is none, such as the text of a file
        raise ConfigError(f"{shown(str(name), quoted=False)}: cannot be looked for: {error.strerror}") from error
    known = sorted(path.stem for path in shipped(folder).glob("*.yaml"))
    searched = ", ".join(str(place) for place in places)
    near = get_close_matches(given.stem, listed(folder), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    found = "is a folder, not a YAML file" if given.is_dir() else "no such file"
    raise ConfigError(f"{name}: {found}; looked for {searched}.{hint} Shipped in {folder}/: {', '.join(known)}")


def listed(folder: str) -> list[str]:
    """Return the names that ``locate`` finds in a folder, those of the working directory and those that ship."""
    return sorted({path.stem for place in (Path(folder), shipped(folder)) for path in place.glob("*.yaml")})
