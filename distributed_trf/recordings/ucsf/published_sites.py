"""What is published of the UCSF sessions: where each was recorded, which are bad, which heard no vocalisations.

From ``sessions_metadata.yml`` of the recordings (doi 10.5281/zenodo.16175377), and the numbers of channels of Ahmed et
al. (2025). Recordings bring that file with them; this is for what comes without it, such as simulations and tables.
"""

from __future__ import annotations

from dataclasses import dataclass

BAD_SESSIONS = (
    *(180405, 180406, 180417, 180619, 180725, 180801, 190607, 191002),
    *(191212, 200226, 200312, 200323, 200325, 200401, 200610, 200617),
)
"""Sessions that were published but are not to be used."""
WITHOUT_VOCALISATIONS = frozenset({"190726", "200213"})
"""Sessions in which no vocalisations were played, as Ahmed et al. (2025) exclude them."""
CORE, NON_PRIMARY = "core", "non-primary"


@dataclass(frozen=True)
class Site:
    """A recording site."""

    session: str
    """Day of the recording, YYMMDD."""
    subject: str
    area: str
    x: float
    y: float
    channels: int
    """Published ones."""


def _parse(line: str) -> Site:
    session, subject, area, x, y, channels = line.split()
    return Site(session, subject, area, float(x), float(y), int(channels))


_TABLE = """
    180413 b_RH non-primary 0.4 -0.4 16
    180420 b_RH non-primary -0.6 -0.65 16
    180501 b_RH core -0.65 1.05 16
    180502 c_RH non-primary 0.25 -0.8 16
    180613 b_RH non-primary -0.7 -0.7 16
    180622 c_RH non-primary 0.01 0.03 16
    180627 b_RH core -0.8 0.98 16
    180717 b_RH non-primary 0.02 -1.1 16
    180719 b_RH core -0.3 1.25 16
    180720 c_RH core -0.5 1.15 16
    180724 b_RH non-primary -0.95 -1.2 16
    180728 c_RH non-primary 0.6 -0.75 16
    180730 b_RH non-primary 0.15 -0.98 16
    180731 c_RH core -0.3 1.08 16
    180807 c_RH core 0.18 0.8 16
    180808 b_RH core -1.15 1.15 16
    180810 b_RH core -0.55 0.3 16
    180814 b_RH core -0.7 0.55 36
    190604 c_RH core -0.75 1.25 64
    190605 c_RH non-primary 0.8 -0.85 64
    190606 c_RH core -0.4 1.4 64
    190703 c_RH non-primary -0.32 0.01 64
    190726 c_RH core -0.94 1.35 60
    190801 c_RH core -0.92 1.3 64
    191113 c_LH core -0.5 0.02 60
    191115 c_LH non-primary 0.09 -0.5 58
    191121 c_LH non-primary 0.07 -0.95 63
    191125 c_LH core -0.5 0.5 60
    191206 c_LH core -0.92 0.95 61
    191209 f_RH core -0.55 0.98 59
    191210 c_LH non-primary 0.8 -1.3 61
    191211 f_RH non-primary 1.02 -0.08 61
    191219 c_LH non-primary -0.92 -0.8 62
    200205 c_LH non-primary -0.5 -0.5 60
    200206 c_LH core -0.92 0.6 64
    200207 c_LH core 0 1.2 62
    200212 c_LH non-primary -0.43 -1.2 64
    200213 f_RH core 0 0.25 64
    200219 f_RH non-primary -0.85 -0.8 63
    200313 f_RH core -0.8 0.03 63
    200318 f_RH non-primary -0.05 -1.3 45
"""
SITES = tuple(_parse(line) for line in _TABLE.strip().split("\n"))
"""The 41 sessions that are used, sorted by name."""
