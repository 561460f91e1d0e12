"""All that changes on the roof's page, as text by key; static/words.js says the same of a poll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aps_exporter.web import words
from aps_exporter.web.contract import InverterNow, PanelNow, Status

__all__ = ["classes", "lists", "texts"]

_MISSING: Final = ("missing", "never_contacted")
"""States of panels that should be there and aren't."""

_CALM: Final = ("good", "sleep")
"""Levels at which missing panels are nothing to worry about, as most sleep before the last does."""

_QUIET: Final = ("missing", "stale", "asleep")
"""States in which an inverter's last report is worth knowing."""

_MOST_NAMES: Final = 6
_SHORT: Final = 6
_LONG: Final = 9


def texts(status: Status) -> dict[str, str]:
    """Give the text of every element with that ``data-t``."""
    now, data, counts = status["now"], status["data"], status["panels"]
    measured, estimated = status["power"]["measured_w"], status["power"]["estimated_w"]
    expected = counts["expected"]
    of = "" if expected is None else f" of {expected}"
    reported = words.clock(data["reported_at"], now)
    lifetime = status["energy"]["lifetime_wh"]
    inverters = f"{status['inverters_online']} of {status['inverters_expected']}"
    return {
        "name": status["ecu"]["name"],
        "sentence": status["ecu"]["sentence"],
        "power": words.power(measured),
        "power.note": "measured now" if measured is not None else "no panel reports any power now",
        "estimate": "" if estimated is None else words.power(estimated),
        "estimate.note": f"scaled up to all {'' if expected is None else expected} panels",
        "panels": f"{counts['received']}{of}" if of or counts["received"] else words.NOTHING,
        "panels.note": _missing_note(status),
        "energy": words.energy(status["energy"]["today_wh"]),
        "energy.note": "" if lifetime is None else f"{words.energy(lifetime)} in all its life",
        "age": words.age(data["age_s"]),
        "age.note": "" if data["reported_at"] is None else f"reported at {reported}",
        "sun": _sun_note(status),
        "inverters": f"{inverters} inverters online",
        "pvoutput": status["pvoutput"]["sentence"] if status["pvoutput"] else "",
        "pvoutput.note": _pvoutput_note(status),
        "polls": _polls_note(status),
    }


def lists(status: Status) -> dict[str, tuple[str, ...]]:
    """Give the texts of tiles and of rows in tables, by their key: one for each child."""
    now = status["now"]
    result: dict[str, tuple[str, ...]] = {}
    last = {inverter["serial"]: inverter["last_report"] for inverter in status["inverters"]}
    for index, panel in enumerate(status["roof"]):
        result[f"t{index}"] = _tile(panel, words.clock(last.get(panel["inverter"]), now))
        result[f"p{index}"] = _panel_row(panel)
    for index, inverter in enumerate(status["inverters"]):
        result[f"v{index}"] = _inverter_row(inverter, now)
    return result


def classes(status: Status) -> dict[str, str]:
    """Give the class of every element with that ``data-c``, of tiles and of rows in tables."""
    asleep = status["ecu"]["level"] == "sleep"
    calm = "calm" if status["ecu"]["level"] in _CALM else ""
    result = {
        "main": calm if status["roof"] else f"{calm} empty",
        "level": f"sentence {status['ecu']['level']}",
        "estimate": "fact" if status["power"]["estimated_w"] is not None else "fact gone",
        "panels": "fact bad" if status["panels"]["missing"] and not asleep else "fact",
        "pvoutput": "card" if status["pvoutput"] else "card gone",
    }
    dc = any(panel["dc_voltage_v"] is not None for panel in status["roof"])
    signal = any(inverter["signal_ratio"] is not None for inverter in status["inverters"])
    grouped = any(panel["group"] for panel in status["roof"])
    result["panels.table"] = f"{'' if dc else 'short'}{'' if grouped else ' plain'}"
    result["inverters.table"] = "" if signal else "short"
    for index, panel in enumerate(status["roof"]):
        online = panel["state"] == "online"
        shown = words.step(panel["share"], panel["power_w"]) if online else panel["state"]
        result[f"t{index}"] = f"tile {shown}"
        result[f"p{index}"] = "" if online else panel["state"]
    for index, inverter in enumerate(status["inverters"]):
        result[f"v{index}"] = "" if inverter["state"] == "online" else inverter["state"]
    return result


def _short_name(panel: PanelNow) -> str:
    """Give the name that a tile has room for; of an id its end, which tells panels apart."""
    name = panel["name"]
    return f"…{name[-_SHORT:]}" if name == panel["id"] and len(name) > _LONG else name


def _tile(panel: PanelNow, last_report: str) -> tuple[str, ...]:
    state, watts = panel["state"], panel["power_w"]
    if state == "online":
        value, _, unit = words.power(watts).partition(words.GAP)
        more = _share_note(panel)
    else:
        value, _, rest = words.STATES.get(state, state).partition(" ")
        unit, more = rest, ""
        if state in _QUIET and last_report != words.NOTHING:
            unit = last_report
            more = f"last report at {last_report}"
    return value, unit, _short_name(panel), more


def _share_note(panel: PanelNow) -> str:
    return "" if panel["share"] is None else f"{words.percent(panel['share'])} of its group"


def _panel_row(panel: PanelNow) -> tuple[str, ...]:
    return (
        panel["name"],
        panel["group"],
        words.STATES.get(panel["state"], panel["state"]),
        words.power(panel["power_w"]),
        words.percent(panel["share"]),
        words.number(panel["dc_voltage_v"], 0, "V"),
    )


def _inverter_row(inverter: InverterNow, now: str) -> tuple[str, ...]:
    phases = (
        f"{each['phase']}{words.GAP if each['phase'] else ''}"
        f"{words.number(each['voltage_v'], 0, 'V')}"
        for each in inverter["grid_voltages"]
    )
    return (
        inverter["name"],
        words.STATES.get(inverter["state"], inverter["state"]),
        ", ".join(phases) or words.NOTHING,
        words.number(inverter["grid_frequency_hz"], 2, "Hz"),
        words.number(inverter["temperature_c"], 0, "°C"),
        words.percent(inverter["signal_ratio"]),
        words.clock(inverter["last_report"], now),
    )


def _missing_note(status: Status) -> str:
    names = [panel["name"] for panel in status["roof"] if panel["state"] in _MISSING]
    if names:
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return f"missing: {', '.join(names[:_MOST_NAMES])}{more}"
    if status["ecu"]["level"] == "sleep":
        return "all are asleep"
    if status["panels"]["missing"]:
        return f"{status['panels']['missing']} missing"
    return "all report" if status["panels"]["received"] else ""


def _sun_note(status: Status) -> str:
    sun, now = status["sun"], status["now"]
    if sun is None:
        return ""

    def parts() -> Iterator[str]:
        if sun["sunrise"] is not None:
            yield f"sunrise {words.clock(sun['sunrise'], now)}"
        if sun["sunset"] is not None:
            yield f"sunset {words.clock(sun['sunset'], now)}"
        if sun["elevation_deg"] is not None and sun["elevation_deg"] > 0:
            yield f"the sun stands {words.number(sun['elevation_deg'], 0, '')[:-1]}° high"

    return ", ".join(parts())


def _pvoutput_note(status: Status) -> str:
    state = status["pvoutput"]
    if state is None:
        return ""
    waiting = "nothing waits" if not state["waiting"] else f"{state['waiting']} wait"
    if state["last_upload"] is None:
        return waiting
    return f"{waiting}, last upload at {words.clock(state['last_upload'], status['now'])}"


def _polls_note(status: Status) -> str:
    polls = status["polls"]
    failed = sum(poll["error"] is not None for poll in polls)
    return f"Last polls of the ECU: {len(polls)}, {failed or 'none'} failed"
