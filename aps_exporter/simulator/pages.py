"""How an ECU writes what it knows: model values → the bytes of its web pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape

from aps_exporter.model import Channel, EcuInfo, Inverter
from aps_exporter.simulator.page_frame import CGI_FOOT, CGI_HEAD, HOME_CLOCK, SERVICE_MODE, php_page
from aps_exporter.simulator.settings import Family, Language
from aps_exporter.simulator.words import CGI_ENGLISH, PHP, Words

__all__ = ["PageStyle", "write_graph", "write_home", "write_table"]

_MIDDLE = "style='vertical-align: middle;'"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStyle:
    """Whose pages these are."""

    family: Family
    language: Language = "english"
    origin: str = "http://127.0.0.1"
    """What the links on the page start with."""

    @property
    def words(self) -> Words:
        """Choose the headings and labels."""
        if self.family == "cgi" and self.language == "english":
            return CGI_ENGLISH
        return PHP[self.language]

    @property
    def is_late(self) -> bool:
        """Say whether the firmware is one with service mode and its unknown tag."""
        return self.family in ("php-dc", "php-3phase")


def write_table(
    inverters: Iterable[Inverter],
    style: PageStyle,
    odd: Mapping[tuple[str, str], str] | None = None,
) -> bytes:
    """Write the table page; `odd` replaces the texts of cells, by row id and column.

    What a family has no room for is left out: DC volts but for ``php-dc``, phases on ``cgi``.
    """
    if style.family == "cgi":
        return _cgi_table(inverters, style, odd or {})
    return _php_table(inverters, style, odd or {})


def write_home(info: EcuInfo, style: PageStyle, connected_at: datetime | None = None) -> bytes:
    """Write the home page; a value that is ``None`` has no row.

    `connected_at`: when the ECU last reached its maker; ``None``: never.
    """
    words = style.words
    rows = [
        (words.ecu_id, info.ecu_id),
        (words.lifetime, _kwh(info.energy_lifetime_wh, padded=True)),
        (words.system_power, None if info.power_w is None else f"{_number(info.power_w)} W"),
        (words.today, _kwh(info.energy_today_wh, padded=style.family == "cgi")),
        (words.connection, f"{connected_at}" if connected_at else "Never connected"),
        (words.inverters, None if info.inverters is None else str(info.inverters)),
        (words.online, None if info.inverters_online is None else str(info.inverters_online)),
        (words.version, info.firmware),
        (words.zone, info.timezone),
        (words.wired_mac, _mac(info.ecu_id, 0)),
    ]
    if style.family == "cgi":
        return _cgi_home(rows)
    return _php_home([*rows, (words.wireless_mac, _mac(info.ecu_id, 1))], info.clock, style)


def write_graph(points: Iterable[tuple[int, int]], energy_today_wh: float) -> bytes:
    """Write the day's curve as JSON: epoch milliseconds and watts of each sweep."""
    day = {
        "power": [{"time": time, "each_system_power": watts} for time, watts in points],
        "today_energy": f"{energy_today_wh / 1000:.2f}",
        "subtitle": "",
    }
    if not day["power"]:
        day |= {"today_energy": "0", "subtitle": "No Data"}
    return json.dumps(day, separators=(",", ":")).encode()


def _cgi_table(
    inverters: Iterable[Inverter], style: PageStyle, odd: Mapping[tuple[str, str], str]
) -> bytes:
    """Write a row for each channel, all cells repeated, as in this one with no line break.

    ``<center><tr><td align=center>408000012345-A</td><td align=center> 23&nbsp;W</td>
    <td align=center> 50.0&nbsp;Hz</td><td align=center> 230&nbsp;V</td>
    <td align=center> 45&nbsp;<sup>o</sup>C</td><td align=center> 2026-06-21 12:30:07</td>
    </tr></center>``
    """
    words = style.words
    headings = (
        words.inverter_id,
        words.power,
        words.frequency,
        words.voltage,
        words.temperature,
        words.time,
    )
    rows = ["<tr bgcolor=#43CD80>" + _cgi_cells(headings)]
    for inverter in inverters:
        volts = inverter.grid_voltages[0].voltage_v if inverter.grid_voltages else None
        for row_id, channel in _rows_of(inverter):
            values = {
                "power": (_number(channel.power_w if channel else None), "&nbsp;W"),
                "frequency": (_tenths(inverter.grid_frequency_hz), "&nbsp;Hz"),
                "voltage": (_number(volts), "&nbsp;V"),
                "temperature": (_number(inverter.temperature_c), "&nbsp;<sup>o</sup>C"),
            }
            cells = (
                " " + odd.get((row_id, column), f"{number or ''}{unit}")
                for column, (number, unit) in values.items()
            )
            when = f" {inverter.reported_at or '-'}"
            rows.append("<tr>" + _cgi_cells((escape(row_id), *cells, when)))
    body = "".join(f"<center>{row}</tr></center>" for row in rows)
    return f"{CGI_HEAD}{body}{CGI_FOOT}".encode()


def _cgi_home(rows: Iterable[tuple[str, str | None]]) -> bytes:
    body = "".join(
        f"<center><tr>{_cgi_cells((label, escape(value)))}</tr></center>"
        for label, value in rows
        if value is not None
    )
    return f"{CGI_HEAD}{body}{CGI_FOOT}".encode()


def _cgi_cells(texts: Iterable[str]) -> str:
    return "".join(f"<td align=center>{text}</td>" for text in texts)


def _php_table(
    inverters: Iterable[Inverter], style: PageStyle, odd: Mapping[tuple[str, str], str]
) -> bytes:
    words = style.words
    has_dc = style.family == "php-dc"
    headings = [
        words.inverter_id,
        words.power,
        *([words.dc_voltage] if has_dc else []),
        words.frequency,
        words.voltage,
        words.temperature,
        words.time,
    ]
    head = "\n".join(f'        <th scope="col">{heading}</th>' for heading in headings)
    body = "".join(
        _php_rows(inverter, "class='active'" if index % 2 == 0 else "", odd, has_dc=has_dc)
        for index, inverter in enumerate(inverters)
    )
    content = (
        f"{SERVICE_MODE if style.is_late else ''}"
        '<div class="table-responsive">\n  <table class="table table-condensed table-bordered">\n'
        f"    <thead>\n      <tr>\n{head}\n      </tr>\n    </thead>\n    <tbody>\n"
        f"{body}        </tbody>\n  </table>\n</div>"
    )
    if style.is_late:
        content += "\n<script>\nfunction change_polling(polling_value){\n// none\n}\n</script>\n"
    return php_page(
        origin=style.origin,
        title=words.real_time_data,
        aside=f'<a class="list-group-item active">{words.real_time_data}</a>',
        typo=style.is_late,
        content=content,
    )


def _php_rows(
    inverter: Inverter, row_class: str, odd: Mapping[tuple[str, str], str], *, has_dc: bool
) -> str:
    """Write an inverter's rows; only the first has the cells that it shares with the others.

    ``<tr class='active'><td>801000012345-1 </td><td> 19 W </td><td rowspan=4 …> 50.0 Hz </td>
    <td> 235 V </td><td rowspan=4 …> 11 &#176;C </td><td rowspan=4 …> 2026-06-21 12:30:07 </td></tr>
    <tr class='active'><td>801000012345-2 </td><td> 18 W </td><td> 235 V </td></tr>``
    """
    rows = _rows_of(inverter)
    span = f"<td rowspan={len(rows)} {_MIDDLE}>"
    parts: list[str] = []
    for index, (row_id, channel) in enumerate(rows):
        first = index == 0
        power = _cell(_number(channel.power_w if channel else None), "W")
        cells = [f"<td>{escape(row_id)} </td>", f"<td>{_or_odd(odd, row_id, 'power', power)}</td>"]
        if has_dc:
            cells.append(
                f"<td>{_cell(_number(channel.dc_voltage_v if channel else None), 'V')}</td>"
            )
        if first:
            hertz = _cell(_tenths(inverter.grid_frequency_hz), "Hz")
            cells.append(f"{span}{_or_odd(odd, row_id, 'frequency', hertz)}</td>")
        volts = _php_voltage(inverter, index)
        cells.append(f"<td>{_or_odd(odd, row_id, 'voltage', volts)}</td>")
        if first:
            degrees = _cell(_number(inverter.temperature_c), "&#176;C")
            cells.append(f"{span}{_or_odd(odd, row_id, 'temperature', degrees)}</td>")
            cells.append(f"{span} {inverter.reported_at or '-'}\v </td>")
        lines = "".join(f"        {cell}\n" for cell in cells)
        parts.append(f"            <tr {row_class}>\n{lines}      </tr>\n")
    return f"        <div>\n{''.join(parts)}          </div>\n"


def _php_voltage(inverter: Inverter, row: int) -> str:
    """Write the one phase in each row, or each of three in a row of its own.

    How a page has volts between two lines, nobody has shown: here they go by their first.
    """
    voltages = inverter.grid_voltages
    if voltages and not voltages[0].phase:
        return _cell(_number(voltages[0].voltage_v), "V")
    if row >= len(voltages):
        return _cell(None, "V")
    return _cell(f"{escape(voltages[row].phase[:1])}: {_number(voltages[row].voltage_v)}", "V")


def _php_home(
    rows: Iterable[tuple[str, str | None]], clock: datetime | None, style: PageStyle
) -> bytes:
    """Write rows such as ``<tr><th scope="row">Last System Power</th><td>389 W </td></tr>``."""
    shown = "".join(
        f'    <tr>\n        <!-- {label} -->\n        <th scope="row">{label}</th>\n'
        f"        <td>{escape(value)}{' ' if value.endswith(('W', 'h')) else ''}</td>\n"
        "    </tr>\n"
        for label, value in rows
        if value is not None
    )
    content = (
        '\n<table class="table table-condensed table-striped table-bordered">    \n'
        f"{shown}</table>\n{_clock_script(clock) if clock else ''}"
    )
    return php_page(
        origin=style.origin,
        title=style.words.home,
        aside='<a id="ecu_time" class="list-group-item align-center" ></a>',
        typo=False,
        content=content,
    )


def _clock_script(clock: datetime) -> str:
    script = HOME_CLOCK.replace("@YEAR@", str(clock.year)).replace("@MONTH@", str(clock.month - 1))
    for mark, code in {"@DAY@": "%d", "@HOUR@": "%H", "@MINUTE@": "%M", "@SECOND@": "%S"}.items():
        script = script.replace(mark, clock.strftime(code))
    return script


def _rows_of(inverter: Inverter) -> list[tuple[str, Channel | None]]:
    """Give each row's id and channel; an inverter never contacted has one row without."""
    return [(channel.id, channel) for channel in inverter.channels] or [(inverter.serial, None)]


def _cell(number: str | None, unit: str) -> str:
    return "- " if number is None else f" {number} {unit} "


def _or_odd(odd: Mapping[tuple[str, str], str], row_id: str, column: str, text: str) -> str:
    return f" {odd[row_id, column]} " if (row_id, column) in odd else text


def _number(value: float | None) -> str | None:
    """Write a whole number as one; an ECU knows no others here."""
    return None if value is None else str(int(value) if value == int(value) else value)


def _tenths(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


def _kwh(energy_wh: float | None, *, padded: bool) -> str | None:
    """Write kilowatt hours with two decimals; where not `padded`, without trailing zeros."""
    if energy_wh is None:
        return None
    text = f"{energy_wh / 1000:.2f}"
    return f"{text if padded else text.rstrip('0').rstrip('.')} kWh"


def _mac(ecu_id: str | None, port: int) -> str:
    """Invent a locally administered address."""
    digits = f"{ecu_id or '':0>12}"[-8:]
    return ":".join(["02", f"{port:02}", *(digits[i : i + 2] for i in range(0, 8, 2))])
