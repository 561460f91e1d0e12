"""What PVOutput's answers mean: THE table from status and words to what is to be done."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["RULES", "Answer", "Rate", "Rule", "Verdict", "batch_codes", "classify"]


class Verdict(Enum):
    """What an answer asks of us; `sender` has one reaction to each."""

    OK = "stored"
    TRANSIENT = "try again with growing pauses"
    LOADING = "a batch is still being read; try again in half a minute"
    TOO_FAST = "slow down for ten seconds"
    RATE_LIMIT = "the hour's quota is used up; wait until it is new"
    DONATION = "leave out what only donors may send"
    CONFIG = "the owner must act; keep everything until then"
    CLOCK = "our clock or zone is ahead; try later"
    EXPIRED = "too old for PVOutput"
    ENERGY = "send it without the energy"
    MOON = "generation at night: refused for good"
    PERMANENT = "refused for good"
    UNSUPPORTED = "not a thing this server does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The quota of our key as the server's headers tell it."""

    limit: int
    remaining: int
    reset: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request; the key is blotted out of the text already."""

    status: int
    text: str
    html: bool = False
    """A page for people: from a proxy, a hotspot or a broken server, never PVOutput's word."""
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: the first whose status and words fit decides."""

    status: str
    """A status as a pattern: ``400``, ``5..``."""
    words: str
    """Any of these, separated by ``|``; compared without regard to letter case. Empty: any text."""
    verdict: Verdict

    def fits(self, answer: Answer) -> bool:
        """Say whether the row speaks of this answer."""
        text = answer.text.lower()
        return re.fullmatch(self.status, str(answer.status)) is not None and any(
            words in text for words in self.words.split("|")
        )


RULES: Final[tuple[Rule, ...]] = (
    Rule("200", "", Verdict.OK),
    Rule("408|425|429|[1235]..", "", Verdict.TRANSIENT),
    Rule("400", "load in progress", Verdict.LOADING),
    Rule("403", "per second", Verdict.TOO_FAST),
    Rule("403", "exceeded", Verdict.RATE_LIMIT),
    Rule("403", "donation", Verdict.DONATION),
    Rule("401|403", "", Verdict.CONFIG),
    Rule("400", "future", Verdict.CLOCK),
    Rule("400", "older than|too far in the past", Verdict.EXPIRED),
    Rule("400", "lower than previously|energy value", Verdict.ENERGY),
    Rule("400", "moon powered", Verdict.MOON),
    Rule("400", "", Verdict.PERMANENT),
    Rule("4..", "", Verdict.UNSUPPORTED),
)
"""Texts have changed over the years, statuses never: so the status first, then few words."""


def classify(answer: Answer) -> Verdict:
    """Find what an answer asks of us.

    A 200 with a page for people or with nothing at all is not PVOutput's (success is a line of
    text); taking it for one would lose the record.
    """
    if answer.html or (answer.status == _OK and not answer.text):
        return Verdict.TRANSIENT
    return next((rule.verdict for rule in RULES if rule.fits(answer)), Verdict.TRANSIENT)


_OK: Final = 200
_CODE: Final[Callable[[str], re.Match[str] | None]] = re.compile(
    r"(\d{8}),(\d\d:\d\d),(\d+)"
).fullmatch


def batch_codes(text: str) -> dict[tuple[str, str], int] | None:
    """Read ``20260301,12:00,1;20260301,12:05,0`` into codes by date and time.

    1 is stored; 0 says that nothing was added or updated. ``None``: not such a list.
    """
    codes = {}
    for item in text.rstrip(";").split(";"):
        match = _CODE(item.strip())
        if match is None:
            return None
        codes[match[1], match[2]] = int(match[3])
    return codes
