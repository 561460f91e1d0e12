"""The control page: what the simulated ECU is doing, and buttons to spoil its day."""

from __future__ import annotations

import json
import math
from datetime import datetime
from html import escape

from aps_exporter.model import Inverter
from aps_exporter.simulator.faults import FAULTS, parse_fault
from aps_exporter.simulator.gateway import Gateway, Shown
from aps_exporter.simulator.wire import Answer, Request

__all__ = ["PREFIX", "control", "state"]

PREFIX = "/simulator"

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated ECU</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
table {{ border-collapse: collapse }} td, th {{ padding: .2rem .8rem .2rem 0; text-align: left }}
form {{ display: inline }} .on {{ background: #fde2e2 }}
</style></head><body>
<h1>Simulated ECU</h1>
<p>{now} ({zone}), {speed:g} times real time · {power:.0f} W · {online} of {inverters} inverters
online · pages: {links} · <a href="{prefix}/state">state as JSON</a></p>
<form method="post" action="{prefix}/clock">
<label>Local time <input name="at" placeholder="{now}"></label>
<label>Speed <input name="speed" size="6" placeholder="{speed:g}"></label>
<button>Set the clock</button></form>
<h2>Faults</h2>
<table>{faults}</table>
<h2>Panels</h2>
<table><tr><th>Panel</th><th>Side</th><th>Power</th></tr>{panels}</table>
</body></html>
"""


def control(gateway: Gateway, request: Request, pages: dict[str, str]) -> Answer:
    """Answer a request for a path below `PREFIX`; `pages` are the ECU's own, name to URL.

    A form that asks for the impossible is told so and changes nothing.
    """
    actions = {f"{PREFIX}/faults": _switch, f"{PREFIX}/clock": _set_clock}
    if request.method == "POST" and request.path in actions:
        try:
            actions[request.path](gateway, request.form())
        except ValueError as error:
            return _text(400, f"{error}\n")
        return Answer(status=303, headers=(f"Location: {PREFIX}",), body=b"")
    if request.method not in ("GET", "HEAD"):
        return _text(405, "only GET here\n")
    if request.path == f"{PREFIX}/state":
        body = json.dumps(state(gateway), indent=1).encode()
        return Answer(headers=("Content-Type: application/json",), body=body)
    if request.path.rstrip("/") == PREFIX:
        html = _html(gateway, pages).encode()
        return Answer(headers=("Content-Type: text/html; charset=utf-8",), body=html)
    return _text(404, f"there are {PREFIX} and {PREFIX}/state\n")


def state(gateway: Gateway) -> dict[str, object]:
    """Tell the truth: `plant` is what the roof does, `shown` what the pages say about it.

    `told` is what is said about it over TCP; without that interface it isn't there.
    """
    now = gateway.clock.now()
    sweep = gateway.plant.sweep(now)
    told = {"told": _said(gateway.told())} if gateway.settings.has_tcp else {}
    return {
        "now": now.isoformat(),
        "wall": gateway.wall(now).isoformat(),
        "speed": gateway.clock.speed,
        "family": gateway.settings.family,
        "faults": [str(fault) for fault in gateway.faults],
        "plant": {"power_w": sweep.power_w, "inverters": [_plain(i) for i in sweep.inverters]},
        "shown": _said(gateway.shown()),
        **told,
    }


def _said(shown: Shown) -> dict[str, object]:
    return {
        "power_w": shown.info.power_w,
        "energy_today_wh": shown.info.energy_today_wh,
        "energy_lifetime_wh": shown.info.energy_lifetime_wh,
        "inverters_online": shown.info.inverters_online,
        "inverters": [_plain(inverter) for inverter in shown.inverters],
    }


def _plain(inverter: Inverter) -> dict[str, object]:
    return {
        "serial": inverter.serial,
        "online": inverter.online,
        "channels": {channel.id: channel.power_w for channel in inverter.channels},
        "grid_voltages": {each.phase: each.voltage_v for each in inverter.grid_voltages},
        "grid_frequency_hz": inverter.grid_frequency_hz,
        "temperature_c": inverter.temperature_c,
        "signal_ratio": inverter.signal_ratio,
        "reported_at": inverter.reported_at.isoformat() if inverter.reported_at else None,
    }


def _switch(gateway: Gateway, form: dict[str, str]) -> None:
    """Act on ``fault=drip&argument=0.5&on=1``; without `argument`, `fault` may hold it."""
    name, argument = form.get("fault", ""), form.get("argument", "")
    text = f"{name}={argument}" if argument else name
    if form.get("on", "1") == "1":
        gateway.switch_on(parse_fault(text))
    else:
        name, _, argument = text.partition("=")
        gateway.switch_off(name, argument or None)


def _set_clock(gateway: Gateway, form: dict[str, str]) -> None:
    """Act on ``at=2026-06-21T12:30&speed=60``, either of which may be empty."""
    at = datetime.fromisoformat(form["at"]) if form.get("at") else None
    speed = float(form["speed"]) if form.get("speed") else gateway.clock.speed
    if not (math.isfinite(speed) and speed >= 0):
        message = "speed: must be 0 (stopped) or more"
        raise ValueError(message)
    if at:
        gateway.clock.jump(at if at.tzinfo else at.replace(tzinfo=gateway.plant.zone))
    gateway.clock.set_speed(speed)


def _html(gateway: Gateway, pages: dict[str, str]) -> str:
    shown = gateway.shown()
    groups = gateway.plant.groups
    now = gateway.clock.now().astimezone(gateway.plant.zone)
    channels = [channel for inverter in shown.inverters for channel in inverter.channels]
    return _PAGE.format(
        now=f"{now:%Y-%m-%d %H:%M:%S}",
        zone=escape(gateway.settings.timezone),
        speed=gateway.clock.speed,
        power=shown.info.power_w or 0,
        online=shown.info.inverters_online,
        inverters=shown.info.inverters,
        prefix=PREFIX,
        links=" ".join(f'<a href="{escape(url)}">{name}</a>' for name, url in pages.items()),
        faults="".join(_fault_row(gateway, name) for name in FAULTS),
        panels="".join(
            f"<tr><td>{each.id}</td><td>{groups[each.id]}</td>"
            f"<td>{'—' if each.power_w is None else f'{each.power_w:.0f} W'}</td></tr>"
            for each in channels
        ),
    )


def _fault_row(gateway: Gateway, name: str) -> str:
    kind = FAULTS[name]
    active = [fault for fault in gateway.faults if fault.name == name]
    off = "".join(
        f'<form method="post" action="{PREFIX}/faults"><input type="hidden" name="fault" '
        f'value="{escape(str(fault))}"><button name="on" value="0">off: '
        f"{escape(str(fault))}</button></form> "
        for fault in active
    )
    field = (
        f'<input name="argument" placeholder="{escape(kind.default or kind.argument)}" '
        f'title="{escape(kind.argument)}">'
        if kind.argument
        else ""
    )
    return (
        f'<tr class="{"on" if active else ""}"><th>{name}</th><td>{escape(kind.help)}</td><td>'
        f'<form method="post" action="{PREFIX}/faults"><input type="hidden" name="fault" '
        f'value="{name}">{field}<button name="on" value="1">on</button></form> {off}</td></tr>'
    )


def _text(status: int, text: str) -> Answer:
    headers = ("Content-Type: text/plain; charset=utf-8",)
    return Answer(status=status, headers=headers, body=text.encode())
