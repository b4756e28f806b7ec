"""Kinds of values that several settings have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names become folders, so only plain ones are taken."""

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""Fixed when the file is read: workers may run in another folder."""

Source = Annotated[
    str,
    AfterValidator(lambda source: str(path.absolute()) if (path := Path(source).expanduser()).exists() else source),
]
"""Folder or file, made absolute, or hub id of trained weights."""

Percent = Annotated[float, Field(gt=0, le=100)]
