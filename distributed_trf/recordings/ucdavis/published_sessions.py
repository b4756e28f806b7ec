"""What is published of the UC Davis sessions: their names, and how often each heard what was repeated."""

from __future__ import annotations

REPEATS = {
    "relayz_2024-10-28b_boilermaker": 3,
    "relayz_2024-11-13c_boilermaker": 3,
    "relayz_2024-11-15b_boilermaker": 3,
    "relayz_2024-12-26b_boilermaker": 12,
    "relayz_2024-12-30b_boilermaker": 12,
    "relayz_2024-12-30c_boilermaker": 12,
    "relayz_2025-01-09b_boilermaker": 12,
    "relayz_2025-01-15b_boilermaker": 12,
    "relayz_2025-01-24b_boilermaker": 12,
}
"""By name of the file without its ending, sorted: Ahmed et al. (2025) number the sessions from 0 in this order."""
