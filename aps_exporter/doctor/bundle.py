"""Evidence ⇄ a file for a bug report: names masked, bytes kept, with what we made of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Final

from aps_exporter import __version__
from aps_exporter.doctor.evidence import Item, Kind
from aps_exporter.doctor.findings import Findings
from aps_exporter.doctor.mask import Mask
from aps_exporter.ecu.frames import parse_curve, parse_inverters, parse_signals, parse_system
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.errors import ConfigError, EcuPageError
from aps_exporter.model import EcuInfo, Table

__all__ = ["read_bundle", "table_truth", "truth_of", "write_bundle"]

FORMAT: Final = 1
_HEX_ID: Final = re.compile(r"[0-9a-f]{12}")
NOTE: Final = (
    "Written by aps-exporter doctor. Ids, addresses and network names are replaced, each always "
    "by the same. Look through it before you publish it."
)


def write_bundle(findings: Findings) -> str:
    """Write the evidence as JSON, with stand-ins for all names."""
    mask = Mask()
    mask.learn_host(findings.evidence.host)
    mask.learn(filter(None, (info.ecu_id for info in findings.infos)))
    mask.learn(inverter.serial for inverter in findings.inverters)
    if findings.sweep:
        mask.learn(inverter.serial for inverter in findings.sweep.table.inverters)
        mask.learn(findings.sweep.gateways)
        unread = findings.sweep.table.unreadable
        mask.learn(filter(_HEX_ID.fullmatch, (part for c in unread for part in (c.row, c.text))))
    mask.learn(findings.signals)
    items = [_masked(item, mask, findings.doubt_in(item)) for item in findings.evidence.items]
    document = {
        "format": FORMAT,
        "note": NOTE,
        "version": __version__,
        "taken_at": findings.evidence.taken_at.isoformat(timespec="seconds"),
        "items": [_item_json(item) for item in items],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_bundle(text: str) -> Iterator[tuple[Item, object]]:
    """Give each answer of a bundle, with the truth that stands beside it.

    Raises `ConfigError` for a file that is no bundle.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ConfigError(f"the bundle is of format {document['format']}, not {FORMAT}")
        for said in document["items"]:
            content = None
            if "text" in said:
                content = said["text"].encode()
            elif "base64" in said:
                content = base64.b64decode(said["base64"], validate=True)
            item = Item(
                door=said["door"],
                kind=said["kind"],
                where=said["where"],
                content=content,
                error=said.get("error"),
                status=said.get("status", "ok"),
            )
            yield item, said.get("truth")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"this is no bundle of aps-exporter doctor: {error}") from error


def truth_of(item: Item) -> object:
    """Say what we read in an answer, or its fault; ``None`` where we read nothing."""
    parse = _PARSERS.get((item.door, item.kind))
    if parse is None or item.content is None:
        return None
    try:
        return parse(item.content)
    except EcuPageError as error:
        return {"fault": error.status}


def _masked(item: Item, mask: Mask, doubt_from: int | None) -> Item:
    content, error = item.content, item.error
    if content is not None and item.door == "tcp":
        content = mask.reply(content, doubt_from)
        # What it quotes can be looked up in the reply, where it is masked.
        error = error and error.partition(": ")[0]
    elif content is not None:
        content = mask.page(content)
    return replace(item, content=content, error=error and mask.text(error))


def _item_json(item: Item) -> dict[str, object]:
    """Write text as text, and everything else in base 64."""
    said: dict[str, object] = {"door": item.door, "kind": item.kind, "where": item.where}
    if item.error:
        said |= {"status": item.status, "error": item.error}
    said["seconds"] = round(item.seconds, 3)
    if item.content is not None:
        try:
            said["text"] = item.content.decode()
        except UnicodeDecodeError:
            said["base64"] = base64.b64encode(item.content).decode("ascii")
    truth = truth_of(item)
    if truth is not None:
        said["truth"] = truth
    return said


def _info(info: EcuInfo) -> dict[str, object]:
    facts = {key: value for key, value in asdict(info).items() if value not in (None, ())}
    if info.clock:
        facts["clock"] = str(info.clock)
    return facts


def table_truth(table: Table) -> dict[str, object]:
    """Write a table in the form of the truth files of tests."""
    truth: dict[str, object] = {
        "inverters": [
            {
                "serial": inverter.serial,
                "panels": [[c.name, c.power_w, c.dc_voltage_v] for c in inverter.channels],
                "volts": {line.phase: line.voltage_v for line in inverter.grid_voltages},
                "hertz": inverter.grid_frequency_hz,
                "celsius": inverter.temperature_c,
                "time": str(inverter.reported_at) if inverter.reported_at else None,
                "online": inverter.online,
            }
            for inverter in table.inverters
        ]
    }
    if table.unreadable:
        truth["unreadable"] = [[cell.row, cell.column, cell.text] for cell in table.unreadable]
    if table.duplicate_rows:
        truth["duplicate_rows"] = table.duplicate_rows
    return truth


def _sweep(reply: bytes) -> dict[str, object]:
    sweep = parse_inverters(reply)
    return {
        **table_truth(sweep.table),
        "swept_at": str(sweep.swept_at) if sweep.swept_at else None,
        "glitches": dict(sweep.glitches),
    }


_PARSERS: Final[dict[tuple[str, Kind], Callable[[bytes], object]]] = {
    ("web", "home"): lambda page: _info(parse_home(page)),
    ("web", "table"): lambda page: table_truth(parse_table(page)),
    ("tcp", "system"): lambda reply: _info(parse_system(reply)),
    ("tcp", "inverters"): _sweep,
    ("tcp", "signals"): lambda reply: dict(parse_signals(reply)),
    ("tcp", "curve"): lambda reply: [[str(when), watts] for when, watts in parse_curve(reply)],
}
