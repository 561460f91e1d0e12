"""The text of one cell → one value: the number rules, strict, so that nothing is ever guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

__all__ = [
    "CELSIUS",
    "COUNT",
    "ENERGY",
    "HERTZ",
    "VOLTS",
    "WATTS",
    "Quantity",
    "UnreadableError",
    "read_number",
    "read_time",
]


class UnreadableError(ValueError):
    """The text is neither a value that the column allows nor a known mark for "no value"."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantity:
    """What a column may hold."""

    units: Mapping[str, int]
    """Unit in lower case → what the number is multiplied by."""
    bare: int = 1
    """What a number without a unit is multiplied by."""
    absent: frozenset[float] = frozenset()
    """Values that firmware writes where it has none."""


WATTS: Final = Quantity(units={"w": 1, "kw": 1000})
VOLTS: Final = Quantity(units={"v": 1})
HERTZ: Final = Quantity(units={"hz": 1})
ENERGY: Final = Quantity(units={"wh": 1, "kwh": 1000, "mwh": 1_000_000}, bare=1000)
COUNT: Final = Quantity(units={})
# The firmware computes the temperature from a raw value; a raw zero, which means that there was
# none, comes out as -60 (read in the vendor's published source).
CELSIUS: Final = Quantity(units={"°c": 1, "oc": 1, "℃": 1, "c": 1}, absent=frozenset({-60.0}))

# Blanks around it included; keeps what a hostile page leaves in the caches small.
_LONGEST: Final = 100
_DASHES = "-\N{EN DASH}\N{EM DASH}"
_SIGNS: Final = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{FULLWIDTH HYPHEN-MINUS}": "-",
        "\N{SMALL HYPHEN-MINUS}": "-",
        "\N{FULLWIDTH PLUS SIGN}": "+",
        "\N{NO-BREAK SPACE}": " ",
    }
)
# Nine digits hold every watt-hour a roof makes in its life, and keep hostile pages finite.
_NUMBER: Final = re.compile(
    r"""(?P<sign>[+-]?)
        (?: (?P<grouped>[1-9][0-9]{0,2}(?:,[0-9]{3}){1,2}) (?P<fraction>\.[0-9]{1,9})?
          | (?P<whole>[0-9]{1,9}) (?: [.,] (?P<decimals>[0-9]{1,9}) )?
        )
        \s* (?P<unit>[a-z°℃]*)""",
    re.VERBOSE | re.ASCII,
)
_NOTHING: Final = re.compile(rf"[{_DASHES}]*\s*(?P<unit>[a-z°℃]*)")
# Years that every zone can turn into UTC, and an ECU that was never told the time can be in.
_TIME: Final = re.compile(
    r"(?:19[7-9]|2[01][0-9])[0-9]-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
)


# The cells of a table are much alike, and so are its polls: most texts have been read before.
@lru_cache(maxsize=2048)
def read_number(text: str, quantity: Quantity) -> float | None:
    """Read ``120.5 W``, ``1,234 W``, ``120,5 W``, ``1.2 kW`` or a bare ``120`` in the base unit.

    A comma before exactly three digits groups thousands, any other is a decimal comma; where it
    could be either (``0,500``, ``1234,500``) nothing is guessed. ``None``: a mark for "no value",
    such as ``-``, ``- W`` or the unit alone. Raises `UnreadableError` for anything else.
    """
    if len(text) > _LONGEST:
        raise UnreadableError(text)
    text = text.translate(_SIGNS).strip().lower()
    if match := _NUMBER.fullmatch(text):
        factor = _factor(match["unit"], quantity)
        value = round(_magnitude(match) * factor, 6)
        value = -value if match["sign"] == "-" else value
        return None if value in quantity.absent else value
    nothing = _NOTHING.fullmatch(text)
    if nothing is None:
        raise UnreadableError(text)
    _factor(nothing["unit"], quantity)
    return None


@lru_cache(maxsize=64)
def read_time(text: str) -> datetime | None:
    """Read ``2023-02-11 15:49:24``, the ECU's wall clock; ``None`` for a dash or an empty cell."""
    if len(text) > _LONGEST:
        raise UnreadableError(text)
    text = text.strip()
    if not text.strip(_DASHES):
        return None
    if not _TIME.fullmatch(text):
        raise UnreadableError(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableError(text) from error


def _magnitude(match: re.Match[str]) -> float:
    if match["grouped"]:
        return float(match["grouped"].replace(",", "") + (match["fraction"] or ""))
    whole, decimals = match["whole"], match["decimals"]
    if decimals is None:
        return float(whole)
    comma = match.string[match.end("whole")] == ","
    if comma and len(decimals) == 3:  # noqa: PLR2004  # neither surely thousands nor decimals
        raise UnreadableError(match.string)
    return float(f"{whole}.{decimals}")


def _factor(unit: str, quantity: Quantity) -> int:
    if not unit:
        return quantity.bare
    if unit not in quantity.units:
        raise UnreadableError(unit)
    return quantity.units[unit]
