"""Where simulated UCSF sessions are recorded: at the published sites, so that they look like those."""

from __future__ import annotations

import datetime
from dataclasses import replace
from itertools import chain, cycle, islice, zip_longest

from distributed_trf.recordings.ucsf.published_sites import BAD_SESSIONS, CORE, NON_PRIMARY, SITES, Site

BAD_SESSION = str(BAD_SESSIONS[-1])
"""The bad session that is simulated, broken off early. It sorts last among the published ones."""
FIRST_INVENTED_DAY = datetime.date(2021, 1, 1)


def sites(n_sessions: int) -> tuple[Site, ...]:
    """Return sites sorted by session, half of them in the core: the published ones, then invented ones."""
    by_area = ([s for s in SITES if s.area == area] for area in (CORE, NON_PRIMARY))
    alternating = [s for s in chain.from_iterable(zip_longest(*by_area)) if s is not None]
    days = (FIRST_INVENTED_DAY + datetime.timedelta(days=day) for day in range(max(0, n_sessions - len(SITES))))
    invented = (replace(site, session=f"{day:%y%m%d}") for site, day in zip(cycle(alternating), days, strict=False))
    return tuple(sorted(islice(chain(alternating, invented), n_sessions), key=lambda site: site.session))
