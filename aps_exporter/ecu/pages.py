"""Bytes of an ECU's web page → model values. No socket, no clock, no log; the only user of lxml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from lxml import etree

from aps_exporter.ecu.cells import (
    COUNT,
    ENERGY,
    WATTS,
    UnreadableError,
    read_number,
)
from aps_exporter.ecu.rows import Layout, TableReader
from aps_exporter.errors import EcuPageError
from aps_exporter.model import EcuInfo, Table, UnreadableCell

__all__ = ["headings", "parse_home", "parse_table"]

# Headings of the table page. English ones are on captured pages; the Chinese ones were read in the
# vendor's published source, where no heading for the id was found: it is the first one not known.
HEADINGS: Final = {
    "inverter id": "id",
    "current power": "power",
    "当前功率": "power",
    "dc voltage": "dc_voltage",
    "直流电压": "dc_voltage",
    "grid frequency": "frequency",
    "电网频率": "frequency",
    "grid voltage": "voltage",
    "电网电压": "voltage",
    "temperature": "temperature",
    "机内温度": "temperature",
    "date": "time",
    "reporting time": "time",
    "上报时间": "time",
}
# Labels of the home page; spelling and capitals differ between generations.
LABELS: Final = {
    "ecu id": "ecu_id",
    "lifetime generation": "energy_lifetime_wh",
    "历史发电量": "energy_lifetime_wh",
    "last system power": "power_w",
    "current power": "power_w",
    "最近一次系统功率": "power_w",
    "generation of current day": "energy_today_wh",
    "系统当天累计发电量": "energy_today_wh",
    "number of inverters": "inverters",
    "逆变器总台数": "inverters",
    "last number of inverters online": "inverters_online",
    "最近一次逆变器连接台数": "inverters_online",
    "current software version": "firmware",
    "软件版本号": "firmware",
    "current timezone": "timezone",
    "current time zone": "timezone",
    "当前时区": "timezone",
}
LABEL_QUANTITIES: Final = {
    "energy_lifetime_wh": ENERGY,
    "energy_today_wh": ENERGY,
    "power_w": WATTS,
    "inverters": COUNT,
    "inverters_online": COUNT,
}

_SPAN: Final = re.compile(r"[2-9]|[1-9][0-9]{1,3}")
_WIDEST: Final = 32
"""Columns; tables are known to have six or seven."""
_WORD: Final = re.compile(r"[ -~]{1,64}")
_GONE: Final = re.compile(rb"404\W{0,9}(?:page )?not found", re.IGNORECASE)
_CLOCK: Final = re.compile(
    rb"setFullYear\(\s*((?:19[7-9]|2[01]\d)\d)\s*\)[^(]{0,99}setMonth\(\s*(\d{1,2})\s*\)[^(]{0,99}"
    rb"setDate\(\s*(\d{1,2})\s*\)[^(]{0,99}setHours\(\s*(\d{1,2})\s*\)[^(]{0,99}"
    rb"setMinutes\(\s*(\d{1,2})\s*\)[^(]{0,99}setSeconds\(\s*(\d{1,2})\s*\)"
)


def parse_table(body: bytes) -> Table:
    """Read the table page of either family; columns are found by their headings.

    Raises `EcuPageError`: the page is gone, cut off, or holds no such table.
    """
    for table in _document(body).iter("table"):
        rows = _rows(table)
        for row in rows:
            columns = _columns(_texts(row))
            if columns is not None:
                _require_closed(body)
                layout = Layout(columns=columns, width=len(row))
                return TableReader(layout).read(_laid_out(rows, layout))
    raise _no_table(body)


def headings(body: bytes) -> tuple[tuple[str, str | None], ...]:
    """Say which heading of the table page is taken for which column; ``None``: for none.

    Raises `EcuPageError` when the page holds no such table.
    """
    for table in _document(body).iter("table"):
        for row in _rows(table):
            texts = _texts(row)
            if (columns := _columns(texts)) is not None:
                names = {position: name for name, position in columns.items()}
                return tuple((text, names.get(at)) for at, text in enumerate(texts))
    raise _no_table(body)


def parse_home(body: bytes) -> EcuInfo:
    """Read the home page of either family; rows are found by their label.

    Raises `EcuPageError`: the page is gone, cut off, or holds no label that only an ECU has.
    """
    values: dict[str, str] = {}
    for table in _document(body).iter("table"):
        for label, text in (_texts(row)[:2] for row in _rows(table) if len(row) > 1):
            name = LABELS.get(_normal(label))
            if name is not None:
                values.setdefault(name, " ".join(text.split()))
    # Other vendors' gateways have pages with "Lifetime generation" too, but none of these.
    if not values.keys() & {"ecu_id", "power_w", "inverters_online"}:
        raise _no_table(body)
    _require_closed(body)
    unreadable: list[UnreadableCell] = []
    numbers: dict[str, float | None] = {}
    for name, quantity in LABEL_QUANTITIES.items():
        if name in values:
            try:
                numbers[name] = read_number(values[name], quantity)
            except UnreadableError:
                unreadable.append(UnreadableCell(row=name, column="value", text=values[name]))
    return EcuInfo(
        ecu_id=_word(values.get("ecu_id")),
        firmware=_word(values.get("firmware")),
        timezone=_word(values.get("timezone")),
        energy_lifetime_wh=numbers.get("energy_lifetime_wh"),
        energy_today_wh=numbers.get("energy_today_wh"),
        power_w=numbers.get("power_w"),
        inverters=_count(numbers.get("inverters")),
        inverters_online=_count(numbers.get("inverters_online")),
        clock=_clock(body),
        unreadable=tuple(unreadable),
    )


def _document(body: bytes) -> etree._Element:
    """Parse whatever came as UTF-8; an unusable document is an empty one."""
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True
    )
    try:
        document = etree.fromstring(body.replace(b"\0", b" "), parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        document = None
    return etree.Element("html") if document is None else document


def _rows(table: etree._Element) -> Iterator[list[etree._Element]]:
    """Give each row's cells.

    Every element from one `tr` to the next belongs to that row, however wrongly they are nested,
    unless a table inside this one has it.
    """
    row: list[etree._Element] = []
    elements: Iterator[etree._Element] = table.iter("tr", "td", "th")
    if next(table.iterdescendants("table"), None) is not None:
        inner = {element for nested in table.iterdescendants("table") for element in nested.iter()}
        elements = (element for element in elements if element not in inner)
    for element in elements:
        if element.tag != "tr":
            row.append(element)
        elif row:
            yield row
            row = []
    if row:
        yield row


def _texts(row: list[etree._Element]) -> list[str]:
    return ["".join(cell.itertext()) if len(cell) else cell.text or "" for cell in row]


def _laid_out(rows: Iterator[list[etree._Element]], layout: Layout) -> Iterator[list[str]]:
    """Give each row's texts, and tell the layout which cells of a full row reach down."""
    for row in rows:
        if len(row) >= layout.width:
            spans = [cell.get("rowspan") for cell in row] if len(row) == layout.width else []
            layout.start(
                [
                    (position, int(span))
                    for position, span in enumerate(spans)
                    if span is not None and _SPAN.fullmatch(span)
                ]
            )
        yield _texts(row)


def _columns(row: list[str]) -> dict[str, int] | None:
    """Map what we know to its position, if the row is the heading of the table we want."""
    if len(row) > _WIDEST:
        return None
    columns: dict[str, int] = {}
    for position, text in enumerate(row):
        name = HEADINGS.get(_normal(text))
        if name is not None:
            columns.setdefault(name, position)
    if "power" not in columns or not columns.keys() & {"voltage", "frequency", "time"}:
        return None
    if "id" not in columns:
        unknown = sorted(set(range(len(row))) - set(columns.values()))
        if not unknown:
            return None
        columns["id"] = unknown[0]
    return columns


def _normal(text: str) -> str:
    return " ".join(text.split()).lower()


def _require_closed(body: bytes) -> None:
    """Refuse a page whose table doesn't end: numbers may be cut in two."""
    shown, *rest = body.lower().split(b"<!--")
    page = shown + b"".join(part.partition(b"-->")[2] for part in rest)
    if page.rfind(b"</table") < page.rfind(b"<table"):
        message = "the page is cut off: its table has no end"
        raise EcuPageError(message, "page_truncated")


def _no_table(body: bytes) -> EcuPageError:
    """Say why a page holds no table that we know."""
    if _GONE.search(body):
        return EcuPageError("the ECU says 404: its firmware has no such page", "page_gone")
    if not body.strip() or (b"<" in body and b"</html" not in body.lower()):
        return EcuPageError("the page is cut off before its table", "page_truncated")
    return EcuPageError("the page is not one that an ECU is known to write", "page_unrecognised")


def _word(text: str | None) -> str | None:
    """Let a name through if it is short and printable, so that it can be a label."""
    return text if text and _WORD.fullmatch(text) else None


def _count(number: float | None) -> int | None:
    return None if number is None else int(number)


def _clock(body: bytes) -> datetime | None:
    """Read the ECU's clock from the php home page's script, whose months count from zero."""
    match = _CLOCK.search(body)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month + 1, day, hour, minute, second)  # noqa: DTZ001  # has no zone
    except ValueError:
        return None
