"""The known faults of ECUs and their firmware, each by name: one row, one check, one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aps_exporter.doctor.evidence import Door
from aps_exporter.doctor.findings import Findings, online_of, power_of
from aps_exporter.ecu.glitches import Glitches
from aps_exporter.ecu.interfaces import PAGE_FAULTS
from aps_exporter.ecu.journal import span
from aps_exporter.model import Inverter

__all__ = ["ODDITIES", "Oddity", "oddities_of"]

STALE_S: Final = 1800.0
CLOCK_SLACK_S: Final = 900.0
PRODUCING_W: Final = 50.0
SAME_SUM: Final = 0.02
"""Two interfaces may stand a moment apart; more than this part of the sum is odd."""
FACTORY_ZONES: Final = ("Asia/Shanghai",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """Something that is known to go wrong."""

    name: str
    tell: Callable[[Findings], str | None]
    """Says what was found, or ``None``."""


def oddities_of(findings: Findings) -> list[str]:
    """Name what is odd, each in a line."""
    told = ((oddity.name, oddity.tell(findings)) for oddity in ODDITIES)
    return [f"{name}: {sentence}" for name, sentence in told if sentence]


def _pages_removed(findings: Findings) -> str | None:
    pages = (item for kind in ("home", "table") for item in findings.asked("web", kind))
    if {item.status for item in pages} != {"page_gone"}:
        return None
    return "the web server answers, but its pages are gone, as with firmware 2.1.29A and C1.2.24B"


def _page_cut(findings: Findings) -> str | None:
    cut = [item.where for item in findings.faults("web") if item.status == "page_truncated"]
    if not cut:
        return None
    return f"{', '.join(cut)}: the ECU may have been writing just then, so look again"


def _web_hangs(findings: Findings) -> str | None:
    return _hangs(findings, "web", "the web server takes connections")


def _tcp_hangs(findings: Findings) -> str | None:
    return _hangs(findings, "tcp", "its TCP port takes connections")


def _hangs(findings: Findings, door: Door, who: str) -> str | None:
    if not any(item.status == "timeout" for item in findings.faults(door)):
        return None
    return f"{who}, if it is there at all, and then is silent or too slow"


def _home_missing(findings: Findings) -> str | None:
    if not findings.table or findings.home:
        return None
    return "the table of inverters can be read, the home page can't: no energies, no zone"


def _table_not_understood(findings: Findings) -> str | None:
    if findings.table:
        return None
    for item in findings.faults("web"):
        if item.kind == "table" and item.status == "page_unrecognised":
            return f"{item.where} is no page we know: {item.error}"
    return None


def _tcp_refused(findings: Findings) -> str | None:
    faults = findings.faults("tcp")
    if findings.table is None or not any(item.status == "unreachable" for item in faults):
        return None
    return "the pages work, but nobody answers on the TCP port: not needed as long as they do"


def _failed_reply(findings: Findings) -> str | None:
    faults = [item for item in findings.faults("tcp") if item.status in PAGE_FAULTS]
    return f"command {faults[0].where}: {faults[0].error}" if faults else None


def _asleep(findings: Findings) -> str | None:
    offset_s = findings.sweep_offset_s
    clock_s = findings.clock_offset_s or 0.0
    if offset_s is None or offset_s - clock_s > -STALE_S:
        return None
    return (
        f"its rows are {span(clock_s - offset_s)} old: at night an ECU repeats its last ones, "
        "and by day this means that its sweeps have stopped"
    )


def _empty(findings: Findings) -> str | None:
    if findings.inverters or not (findings.table or findings.sweep):
        return None
    return "it names no inverter, as it does after a restart and from 01:00 until the morning"


def _count_zero(findings: Findings) -> str | None:
    sweep, info = findings.sweep, findings.system
    if sweep is None or sweep.table.inverters or not info or not info.inverters:
        return None
    return f"it knows {info.inverters} inverters but lists none over TCP, as C1.2.24B does"


def _wrong_clock(findings: Findings) -> str | None:
    offset_s = findings.clock_offset_s
    if offset_s is None:
        # Rows are older than now, never younger: only the future proves anything.
        offset_s = max(findings.sweep_offset_s or 0.0, 0.0)
    if abs(offset_s) <= CLOCK_SLACK_S:
        return None
    way = "ahead of" if offset_s > 0 else "behind"
    return f"its clock is {span(abs(offset_s))} {way} its zone {findings.timezone}"


def _factory_zone(findings: Findings) -> str | None:
    if findings.timezone in FACTORY_ZONES:
        return f"its zone is the factory's, {findings.timezone}: say yours in the configuration"
    if findings.timezone is None and findings.infos:
        return "it names no zone of its own: say yours in the configuration"
    return None


def _zero_lifetime(findings: Findings) -> str | None:
    if any(info.energy_lifetime_wh == 0 for info in findings.infos):
        return "its lifetime energy is 0, which it says for a moment after a restart"
    return None


def _zero_today(findings: Findings) -> str | None:
    power_w = power_of(findings.table) or power_of(findings.sweep.table if findings.sweep else None)
    none_today = any(info.energy_today_wh == 0 for info in findings.infos)
    if not none_today or (power_w or 0.0) < PRODUCING_W:
        return None
    return "today's energy is 0 although the roof makes power, as with ECU-R 1.3.6C"


def _implausible_energy(findings: Findings) -> str | None:
    for info in findings.infos:
        today, lifetime = info.energy_today_wh, info.energy_lifetime_wh
        if today is not None and lifetime and today > lifetime:
            return "it claims more energy for today than for its whole life"
    return None


def _impossible_values(findings: Findings) -> str | None:
    caught = Counter(findings.sweep.glitches if findings.sweep else {})
    if findings.table:
        glitches = Glitches()
        glitches.hold_back(findings.table.inverters, None, found={})
        caught |= glitches.counts
    if not caught:
        return None
    kinds = ", ".join(f"{count} of {kind}" for kind, count in caught.items())
    return f"it says what can't be, which is left out: {kinds}"


def _gateway_as_inverter(findings: Findings) -> str | None:
    if findings.sweep and findings.sweep.gateways:
        return "its own id is registered as an inverter; remove it in the installer's app"
    return None


def _never_contacted(findings: Findings) -> str | None:
    serials = [inverter.serial for inverter in findings.inverters if not inverter.channels]
    return f"{', '.join(serials)}: never heard since the ECU began to look" if serials else None


def _idle_inputs(findings: Findings) -> str | None:
    idle = [panel for inverter in findings.inverters for panel in _idle(inverter)]
    return f"0 W beside producing neighbours: {', '.join(idle)}: unused inputs?" if idle else None


def _idle(inverter: Inverter) -> list[str]:
    watts = [channel.power_w or 0.0 for channel in inverter.channels]
    if not inverter.online or max(watts, default=0.0) < PRODUCING_W:
        return []
    return [channel.id for channel in inverter.channels if channel.power_w == 0]


def _duplicates(findings: Findings) -> str | None:
    rows = findings.table.duplicate_rows if findings.table else 0
    return f"{rows} rows of its table repeat an id" if rows else None


def _unreadable(findings: Findings) -> str | None:
    if not findings.unreadable:
        return None
    first = findings.unreadable[0]
    return (
        f"{len(findings.unreadable)} in all, the first is {first.text!r} "
        f"({first.column} of {first.row}): please attach a bundle to a bug report"
    )


def _disagreement(findings: Findings) -> str | None:
    table, sweep = findings.table, findings.sweep
    if table is None or sweep is None:
        return None
    web_w, tcp_w = power_of(table), power_of(sweep.table)
    web_n, tcp_n = online_of(table), online_of(sweep.table)
    apart = abs((web_w or 0.0) - (tcp_w or 0.0)) > SAME_SUM * max(web_w or 0.0, tcp_w or 0.0, 1.0)
    if not apart and web_n == tcp_n:
        return None
    return (
        f"pages and TCP don't agree: {web_w or 0:g} W from {web_n} inverters online there, "
        f"{tcp_w or 0:g} W from {tcp_n} here; a sweep may have come between them, so look again"
    )


ODDITIES: Final = (
    Oddity(name="pages removed by firmware", tell=_pages_removed),
    Oddity(name="page cut off", tell=_page_cut),
    Oddity(name="web pages hang", tell=_web_hangs),
    Oddity(name="table not understood", tell=_table_not_understood),
    Oddity(name="home page missing", tell=_home_missing),
    Oddity(name="TCP port closed", tell=_tcp_refused),
    Oddity(name="TCP port hangs", tell=_tcp_hangs),
    Oddity(name="failed TCP reply", tell=_failed_reply),
    Oddity(name="no inverters over TCP", tell=_count_zero),
    Oddity(name="empty table", tell=_empty),
    Oddity(name="old rows", tell=_asleep),
    Oddity(name="wrong clock", tell=_wrong_clock),
    Oddity(name="no time zone", tell=_factory_zone),
    Oddity(name="zero lifetime energy", tell=_zero_lifetime),
    Oddity(name="zero energy today", tell=_zero_today),
    Oddity(name="implausible energy", tell=_implausible_energy),
    Oddity(name="impossible values", tell=_impossible_values),
    Oddity(name="ECU listed as inverter", tell=_gateway_as_inverter),
    Oddity(name="never contacted", tell=_never_contacted),
    Oddity(name="idle inputs", tell=_idle_inputs),
    Oddity(name="repeated rows", tell=_duplicates),
    Oddity(name="unreadable values", tell=_unreadable),
    Oddity(name="interfaces disagree", tell=_disagreement),
)
