"""What must not get out of the house, in replies and pages that nobody understands, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aps_exporter.doctor.bundle import read_bundle, truth_of, write_bundle
from aps_exporter.doctor.evidence import Evidence, Item, Kind
from aps_exporter.doctor.findings import Findings, examine
from aps_exporter.doctor.mask import Mask
from aps_exporter.doctor.report import report
from aps_exporter.simulator.faults import FAULTS
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from tests.doctor.conftest import look_at
from tests.ecu.frame_writing import frame, inverters, record, signals, system

ECU = "216000012345"
ROOF = ("408000011111", "408000022222", "901000033333")
US = (600, 120, 10, 120, 10, 120)
"""Values whose bytes look like digits, as those of ids do."""


def tcp(kind: Kind, reply: bytes) -> Item:
    """Make an answer over TCP."""
    where = {"system": "0001", "inverters": "0002", "signals": "0030"}
    return Item(door="tcp", kind=kind, where=where[kind], content=reply)


def findings_of(*items: Item, host: str = "192.168.7.7") -> Findings:
    """Examine answers."""
    return examine(Evidence(host=host, taken_at=datetime(2026, 6, 21, tzinfo=UTC), items=items))


def bundled(*items: Item, host: str = "192.168.7.7") -> list[Item]:
    """Give the answers as they stand in the bundle."""
    return [item for item, _ in read_bundle(write_bundle(findings_of(*items, host=host)))]


def leaks(items: list[Item], secrets: tuple[str, ...]) -> list[str]:
    """Name the secrets that can be seen, as text or two digits a byte."""
    seen = [(item.content or b"") + (item.error or "").encode() for item in items]
    return [s for s in secrets if any(s.encode() in c or bytes.fromhex(s) in c for c in seen)]


LIST = inverters(*(record(serial, "01", *US) for serial in ROOF))
ODD = inverters(record(ROOF[0], "01", *US), record(ROOF[1], "99", *US), record(ROOF[2], "98", *US))


@pytest.mark.parametrize(
    "item",
    [
        tcp("signals", signals(dict.fromkeys(ROOF, 0))),
        tcp("signals", signals(dict.fromkeys(ROOF, 200))[:-5]),
        tcp("inverters", ODD),
        tcp("inverters", LIST[:-6]),
        tcp("inverters", LIST.replace(b"END\n", b"EN!\n")),
        tcp("inverters", inverters(*(record(serial, "01", *US, online=7) for serial in ROOF))),
        tcp("inverters", frame("0002", b"0001" + LIST[17:40] + LIST[41:-4])),
        tcp("system", system(ecu_id=ECU)[:60]),
        tcp("system", frame("0001", f"{ECU}01".encode())),
        tcp("system", system(ecu_id=ECU).replace(b"END\n", b"EN!\n")),
    ],
    ids=[
        *("never heard", "damaged signals", "unknown types", "cut off", "no end", "odd flags"),
        *("shifted", "short system", "system without values", "system without end"),
    ],
)
def test_no_id_of_a_reply_gets_out(item: Item) -> None:
    """Never heard, of unknown type, cut off or damaged: not one id stands in the bundle."""
    assert leaks(bundled(item), (ECU, *ROOF)) == []


@pytest.mark.parametrize("reply", [ODD, LIST[:-6]], ids=["unknown types", "cut off"])
def test_a_masked_riddle_is_the_same_riddle(reply: bytes) -> None:
    """What can't be understood has the same fault, times and numbers behind the mask."""
    item = tcp("inverters", reply)
    (masked,) = bundled(item)

    def without_names(truth: object) -> str:
        return re.sub(r"\d{12}", "ID", json.dumps(truth))

    assert without_names(truth_of(masked)) == without_names(truth_of(item))
    assert (masked.content or b"")[:26] == reply[:26]


def test_an_id_has_one_stand_in_even_where_nothing_is_understood() -> None:
    """The list and a damaged list of signals name the same inverters."""
    listed, damaged = bundled(
        tcp("inverters", LIST), tcp("signals", signals(dict.fromkeys(ROOF, 200))[:-5])
    )
    serials = [i["serial"] for i in truth_of(listed)["inverters"]]  # type: ignore[index]  # JSON

    assert serials == ["408000000001", "408000000002", "901000000003"]
    assert all(bytes.fromhex(serial) in (damaged.content or b"") for serial in serials)


ARGUMENTS = dict.fromkeys(("inverter-silent", "inverter-never-contacted"), "801000090002") | {
    "channel-dead": "801000090001-2",
    "tcp-unknown-type": "801000090002",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_nobody_is_named(fault: str) -> None:
    """Under every fault there is a report and a bundle, and no id or MAC is in the bundle."""
    needs_one = FAULTS[fault].argument and FAULTS[fault].default is None
    argument = f"={ARGUMENTS.get(fault, 'all')}" if needs_one else ""
    settings = SimulatorSettings(family="php-dc", inverters=3, faults=(f"{fault}{argument}",))
    with Simulator(settings) as ecu:
        findings = look_at(ecu, patience_s=0.2)

    assert report(findings)
    items = [item for item, _ in read_bundle(write_bundle(findings))]
    assert leaks(items, ("216200099999", *(f"80100009{n:04}" for n in range(1, 4)))) == []
    assert not any(b"127.0.0.1" in (item.content or b"") for item in items)


MACS = bytes.fromhex("80971b02db59 80971b414243")


@pytest.mark.parametrize(
    ("version", "zone"),
    [(b"012ECU_R_1.2.22", b"009Etc/GMT-8"), (b"012ECU_R_1.2.22", b"000"), (b"???ECU", b"xyz")],
    ids=["usual", "no zone", "unknown texts"],
)
def test_hardware_addresses_are_blank_wherever_they_stand(version: bytes, zone: bytes) -> None:
    """Whether the texts before them can be read or not, both addresses are gone."""
    head = f"{ECU}01".encode() + bytes(12) + b"\xd0" * 7 + b"\0\x02\0\x02" + b"10"
    (item,) = bundled(tcp("system", frame("0001", head + version + zone + MACS)))

    assert b"\x02\xdb\x59" not in (item.content or b"")
    assert b"ABC" not in (item.content or b"")


@pytest.mark.parametrize(
    ("page", "masked"),
    [
        (b"80-97-1b-02-db-59 80:97:1B:02:DB:59", b"00-00-5E-00-53-00 00:00:5E:00:53:00"),
        (b"<td>80971B02DB59</td>", b"<td>00005E005300</td>"),
        (b'"http://[fd00::1]:80/a"', b'"http://[2001:db8::1]:80/a"'),
        (b'"http://roof.smith.lan/resources"', b'"http://ecu.example/resources"'),
        (b"decimalplace, #43CD80, 404", b"decimalplace, #43CD80, 404"),
    ],
)
def test_addresses_however_they_are_written(page: bytes, masked: bytes) -> None:
    """With dashes or nothing between, of IPv6, or the name by which the ECU was asked."""
    mask = Mask()
    mask.learn_host("roof.smith.lan:8080")

    assert mask.page(page) == masked


def test_a_message_names_nobody() -> None:
    """An error that quotes a reply has its ids masked once, whatever digits follow them."""
    mask = Mask()

    assert mask.text("no id: 21600001234501, 408000012345-A") == (
        "no id: 21600000000101, 408000000002-A"
    )


def test_an_id_that_is_no_number_is_masked_too() -> None:
    """Somebody's page has letters in its ids; they are gone, and the TCP reply is no trouble."""
    page = (
        b"<html><table><tr><th>Inverter ID</th><th>Current Power</th><th>Grid Voltage</th></tr>"
        b"<tr><td>INV-ROSE-A</td><td>5 W</td><td>230 V</td></tr></table></html>"
    )
    items = bundled(Item(door="web", kind="table", where="/", content=page), tcp("inverters", LIST))

    assert b"INV-00000001-A" in (items[0].content or b"")


def _captured(captures: Path) -> Iterator[tuple[str, Item]]:
    kinds: dict[str, Kind] = {"0001": "system", "0002": "inverters", "0030": "signals"}
    replies = json.loads((captures / "tcp8899_captures.json").read_text(encoding="utf-8"))
    for each in replies:
        if each["command"] in kinds:
            yield each["name"], tcp(kinds[each["command"]], bytes.fromhex(each["hex"]))
    for file in sorted(captures.glob("*.html")):
        kind: Kind = "home" if "home" in file.name else "table"
        yield file.name, Item(door="web", kind=kind, where="/", content=file.read_bytes())


def _ids_of(content: bytes) -> tuple[str, ...]:
    """Find the ids of a capture by their shape alone."""
    texts = re.findall(rb"(?<!\d)\d{12}(?!\d)|^\d{12}(?=01)", content[13:])
    rows = content[26:] if content[9:13] == b"0002" else b""
    packed = re.findall(rb"(?s)(?=([\x20-\x99][\x00-\x99]{5})[\0\1]0[0-5])", rows)
    signal = content[15:-4] if content[9:13] == b"0030" else b""
    levels = [signal[start : start + 6] for start in range(0, len(signal), 7)]
    ids = {text.decode() for text in texts} | {each.hex() for each in (*packed, *levels)}
    return tuple(each for each in ids if each.isdecimal() and len(set(each)) > 2)


def test_no_real_answer_betrays_its_owner(captures: Path) -> None:
    """A bundle of each captured answer has none of its ids, and reads as the answer does."""

    def without_names(truth: object) -> str:
        return re.sub(r'"\d{12}', '"ID', json.dumps(truth))

    seen = 0
    for name, item in _captured(captures):
        secrets = _ids_of(item.content or b"")
        seen += len(secrets)
        (masked,) = bundled(item)

        assert leaks([masked], secrets) == [], name
        told, kept = (truth_of(each) for each in (item, masked))
        if item.kind != "signals":
            assert without_names(kept) == without_names(told), name
    assert seen > 100  # the captures name so many
