"""Where the published UCSF sessions were recorded, so that simulated ones look like them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice, zip_longest

BAD_SESSIONS = (
    *(180405, 180406, 180417, 180619, 180725, 180801, 190607, 191002),
    *(191212, 200226, 200312, 200323, 200325, 200401, 200610, 200617),
)
"""Sessions that were published but are not to be used."""
CORE, NON_PRIMARY = "core", "non-primary"
BAD_SESSION = str(BAD_SESSIONS[-1])
"""The one of them that is simulated, broken off early. It sorts last among the published ones."""
WITHOUT_CALLS = ("190726", "200213")
"""Sessions that heard no vocalisations."""
FIRST_INVENTED_DAY = datetime.date(2021, 1, 1)


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


_PUBLISHED = """
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


def sites(n_sessions: int) -> tuple[Site, ...]:
    """Return sites sorted by session, half of them in the core: the published ones, then invented ones."""
    published = [_parse(line) for line in _PUBLISHED.split("\n") if line]
    by_area = ([s for s in published if s.area == area] for area in (CORE, NON_PRIMARY))
    alternating = [s for s in chain.from_iterable(zip_longest(*by_area)) if s is not None]
    days = (FIRST_INVENTED_DAY + datetime.timedelta(days=day) for day in range(max(0, n_sessions - len(published))))
    invented = (replace(site, session=f"{day:%y%m%d}") for site, day in zip(cycle(alternating), days, strict=False))
    return tuple(sorted(islice(chain(alternating, invented), n_sessions), key=lambda site: site.session))


def _parse(line: str) -> Site:
    session, subject, area, x, y, channels = line.split()
    return Site(session, subject, area, float(x), float(y), int(channels))
