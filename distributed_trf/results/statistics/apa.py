"""Numbers as papers print them, by the rules of the APA (Publication Manual, 7th ed., sections 6.36 and 6.43 to 6.45).

A number that cannot exceed 1, such as p or a correlation of ranks, has no zero before its point; others have. Letters
that stand for statistics are italic in print, which plain text cannot show.
"""

from __future__ import annotations

import math

SMALL_P = 0.001
"""Below this only the limit is given."""


def p_in_words(p: float, name: str = "p") -> str:
    """Write a p-value with three decimals, or the limit that it is beyond; never as zero or one.

    Examples
    --------
    >>> p_in_words(0.0312), p_in_words(0.0002), p_in_words(1.0), p_in_words(0.02, "adjusted p")
    ('p = .031', 'p < .001', 'p > .999', 'adjusted p = .020')
    """
    if p < SMALL_P:
        return f"{name} < .001"
    return f"{name} > .999" if p >= 0.9995 else f"{name} = {below_one(p, 3)}"


def below_one(number: float, digits: int = 2) -> str:
    """Write a number that cannot exceed 1, without the zero before its point.

    Examples
    --------
    >>> below_one(0.621), below_one(-0.05), below_one(1.0), below_one(0.0625, 3)
    ('.62', '-.05', '1.00', '.062')
    """
    return decimals(number, digits).replace("0.", ".", 1) if abs(number) < 1 else decimals(number, digits)


def decimals(number: float, digits: int = 3) -> str:
    """Write a number that can exceed 1; none is minus zero.

    Examples
    --------
    >>> decimals(0.03149), decimals(-1.5, 2), decimals(-0.0001)
    ('0.031', '-1.50', '0.000')
    """
    written = f"{number:.{digits}f}"
    return written.removeprefix("-") if not float(written) else written


def level_in_words(alpha: float) -> str:
    """Write a level of significance with as many decimals as it has.

    Examples
    --------
    >>> level_in_words(0.05), level_in_words(0.001)
    ('.05', '.001')
    """
    return f"{alpha:.10f}".rstrip("0").removeprefix("0")


def least_in_words(p: float) -> str:
    """Write the smallest p that is possible, with three decimals or else two digits.

    Examples
    --------
    >>> least_in_words(1 / 64), least_in_words(1 / 4096), least_in_words(1 / 20_001)
    ('.016', '.00024', '.000050')
    """
    return below_one(p, max(3, 1 + math.ceil(-math.log10(p))))


def interval_in_words(low: float, high: float, digits: int = 3) -> str:
    """Write a 95 % confidence interval in brackets.

    Examples
    --------
    >>> interval_in_words(0.0121, 0.05), interval_in_words(-math.inf, 0.5)
    ('95% CI [0.012, 0.050]', '95% CI [-∞, 0.500]')
    """
    return f"95% CI [{_end(low, digits)}, {_end(high, digits)}]"


def _end(number: float, digits: int) -> str:
    return decimals(number, digits) if math.isfinite(number) else "∞" if number > 0 else "-∞"


def listed(items: list[str]) -> str:
    """Write items in a sentence.

    Examples
    --------
    >>> listed(["3"]), listed(["3", "4"]), listed(["3", "4", "9"])
    ('3', '3 and 4', '3, 4, and 9')
    """
    if len(items) < 3:
        return " and ".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"
