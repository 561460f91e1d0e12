"""Findings → what a person wants to read: what it is, what it says, what is odd, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator

from aps_exporter.doctor.findings import Findings, online_of, power_of
from aps_exporter.doctor.oddities import oddities_of
from aps_exporter.ecu.journal import span
from aps_exporter.ecu.tcp import PORT as TCP_PORT

__all__ = ["config_of", "report"]

STRANGE = ("page_unrecognised", "page_truncated")
CLOCK_RIGHT_S = 600.0


def report(findings: Findings) -> str:
    """Write the whole report; it ends with a configuration to copy and the next steps."""
    odd = oddities_of(findings)
    steps = [f"{n}. {step}" for n, step in enumerate(_steps(findings), 1)]
    sections = [("What it is", _rows(_identity(findings))), ("What to do next", steps)]
    if findings.understood:
        sections[1:1] = [
            ("What it says", _rows(_readings(findings))),
            ("What is odd", [f"- {line}" for line in odd] or ["nothing"]),
            ("A configuration to begin with", config_of(findings).splitlines()),
        ]
    elif odd:
        sections[1:1] = [("What is odd", [f"- {line}" for line in odd])]
    blocks = [f"The ECU at {findings.evidence.host}"]
    blocks += ["\n".join((title, *(f"  {line}" for line in lines))) for title, lines in sections]
    return "\n\n".join(blocks)


def config_of(findings: Findings) -> str:
    """Write a configuration file for this ECU; comments say what we can't know."""
    lines = [f'  "host": {json.dumps(findings.evidence.host)},']
    if findings.evidence.tcp_port != TCP_PORT:
        lines.append(f'  "tcp_port": {findings.evidence.tcp_port},')
    if findings.table is None and findings.sweep is not None:
        lines.append('  "interface": "auto",  // TCP now, and the pages should they come back')
    if findings.zone is None:
        lines.append('  // "timezone": "Europe/Amsterdam",  // the ECU does not say: yours?')
    panels = [channel.id for inverter in findings.inverters for channel in inverter.channels]
    if panels:
        lines.append(f'  "expected_count": {len(panels)},')
    lines += [
        '  // "latitude": 52.4, "longitude": 4.9,  // so that the night is no alarm',
        '  "scale_missing": false,',
        '  "panels": {',
        *(f"    {json.dumps(panel)}: {{}}," for panel in panels),
        "  },",
    ]
    return "\n".join(("{", *lines, "}"))


def _rows(pairs: Iterator[tuple[str, str | None]]) -> list[str]:
    return [f"{name:<12}{text}" for name, text in pairs if text]


def _identity(findings: Findings) -> Iterator[tuple[str, str | None]]:
    yield "model", findings.model or "unknown"
    yield "id", findings.ecu_id or "not told"
    yield "firmware", findings.firmware or "not told"
    yield "time zone", findings.timezone or "not told"
    doors = (
        ("web pages", findings.evidence.answers("web")),
        ("TCP", findings.evidence.answers("tcp")),
    )
    yield (
        "interfaces",
        ", ".join(f"{name} {'answer' if is_open else 'silent'}" for name, is_open in doors),
    )
    for door, name in (("web", "pages"), ("tcp", "TCP")):
        for item in findings.evidence.items:
            if item.door != door:
                continue
            size = "" if item.content is None else f"{len(item.content)} bytes, "
            outcome = item.error or "understood" if item.kind != "curve" else item.error or "there"
            yield name, f"{item.where}: {outcome} ({size}{item.seconds:.2f} s)"
            name = ""  # noqa: PLW2901 - stands once, before the first of its lines


def _readings(findings: Findings) -> Iterator[tuple[str, str | None]]:
    inverters, missing = findings.inverters, findings.missing
    online = len(inverters) - len(missing)
    absent = f"; not online: {', '.join(missing)}" if missing else ""
    yield "inverters", f"{online} of {len(inverters)} online{absent}"
    panels = [channel for inverter in inverters for channel in inverter.channels]
    with_power = sum(channel.power_w is not None for channel in panels)
    yield "panels", f"{with_power} of {len(panels)} with a power"
    yield "power", _power(findings)
    yield "cross-check", _cross_check(findings)
    yield "last sweep", _last_sweep(findings)
    yield "clock", _clock(findings)
    for info in findings.infos[:1]:
        yield "energy", _energy(info.energy_today_wh, info.energy_lifetime_wh)
    if findings.signals:
        weakest = min(findings.signals, key=lambda serial: findings.signals[serial])
        yield "signal", f"weakest {findings.signals[weakest]:.0%} ({weakest})"


def _power(findings: Findings) -> str | None:
    said = (
        ("by the table", power_of(findings.table)),
        ("by the home page", findings.home.power_w if findings.home else None),
        ("by TCP", power_of(findings.sweep.table) if findings.sweep else None),
        ("by TCP's own sum", findings.system.power_w if findings.system else None),
    )
    return ", ".join(f"{watts:g} W {whose}" for whose, watts in said if watts is not None) or None


def _cross_check(findings: Findings) -> str | None:
    if findings.table is None or findings.sweep is None:
        return None
    web, tcp = findings.table, findings.sweep.table
    return (
        f"pages {power_of(web) or 0:g} W, {online_of(web)} online; "
        f"TCP {power_of(tcp) or 0:g} W, {online_of(tcp)} online"
    )


def _last_sweep(findings: Findings) -> str | None:
    sweep, offset_s = findings.last_sweep, findings.sweep_offset_s
    if sweep is None:
        return None
    if offset_s is None:
        return f"{sweep} by the ECU's clock"
    age = f"{span(-offset_s)} ago" if offset_s <= 0 else f"{span(offset_s)} from now"
    return f"{sweep}, {age}"


def _clock(findings: Findings) -> str | None:
    offset_s = findings.clock_offset_s
    if offset_s is None:
        return None
    if abs(offset_s) <= CLOCK_RIGHT_S:
        return f"right, within {max(abs(offset_s), 1):.0f} s"
    return f"wrong: {span(abs(offset_s))} {'ahead' if offset_s > 0 else 'behind'}"


def _energy(today_wh: float | None, lifetime_wh: float | None) -> str | None:
    said = [
        f"{name} {energy_wh / 1000:g} kWh"
        for name, energy_wh in (("today", today_wh), ("lifetime", lifetime_wh))
        if energy_wh is not None
    ]
    return ", ".join(said) or None


def _steps(findings: Findings) -> Iterator[str]:
    host, tcp_port = findings.evidence.host, findings.evidence.tcp_port
    port = "" if tcp_port == TCP_PORT else f" --tcp-port {tcp_port}"
    bundle = (
        f"attach bundle.json to a bug report, as written by\n     "
        f"aps-exporter doctor --host {host}{port} --bundle bundle.json"
    )
    if not findings.understood:
        yield "Is this the ECU? Look for it with: aps-exporter discover"
        yield "Switch the ECU off for a minute and on again: its services hang at times."
        yield f"If it answers and nothing here helps: {bundle}"
        return
    strange = any(item.status in STRANGE for item in findings.evidence.items)
    if findings.unreadable or strange:
        yield f"Something is not understood. Help us to learn it: {bundle}"
    yield "Copy the configuration above into config.json and give your panels their names."
    yield "aps-exporter check config.json"
    yield "aps-exporter serve --config config.json, then open http://localhost:10025/"
