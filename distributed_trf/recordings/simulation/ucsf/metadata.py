"""The metadata file of simulated UCSF recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from distributed_trf.recordings.ucsf.metadata import METADATA_FILE, SUBJECTS
from distributed_trf.recordings.ucsf.published_sites import BAD_SESSIONS, CORE, NON_PRIMARY, Site

SENTENCE_REPEATS, CALL_REPEATS = 11, 15
"""How often each session hears a test stimulus."""


def write_metadata(path: Path, sites: tuple[Site, ...]) -> None:
    """Write the metadata file below ``path``, with all the fields of the published one."""
    content: dict[str, Any] = {"stim_wise_num_repeats": {"timit": SENTENCE_REPEATS, "mVocs": CALL_REPEATS}}
    for subject in SUBJECTS:
        content[f"{subject}_sessions"] = [int(s.session) for s in sites if s.subject == subject]
    content["area_wise_sessions"] = {
        area: [int(s.session) for s in sites if s.area == area] for area in (CORE, NON_PRIMARY)
    }
    content["bad_sessions"] = list(BAD_SESSIONS)
    content["session_coordinates"] = {int(s.session): [s.x, s.y] for s in sites}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    (path / METADATA_FILE).write_text(text, encoding="utf-8")
