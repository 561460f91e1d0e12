"""The bytes of the simulated ECU's replies, worked out by hand."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage
from aps_exporter.simulator.frames import (
    Entry,
    FrameStyle,
    Offline,
    RecordType,
    write_curve,
    write_inverters,
    write_refusal,
    write_signals,
    write_system,
)

AT = datetime(2026, 6, 21, 12, 30, 7)  # noqa: DTZ001  # an ECU's clock has no zone


def _inverter(serial: str, watts: dict[str, float], volts: dict[str, float]) -> Inverter:
    """Make one at 50.1 Hz and 37 °C."""
    return Inverter(
        serial=serial,
        channels=tuple(Channel(id=f"{serial}-{n}", name=n, power_w=w) for n, w in watts.items()),
        grid_voltages=tuple(PhaseVoltage(phase=p, voltage_v=v) for p, v in volts.items()),
        grid_frequency_hz=50.1,
        temperature_c=37.0,
        reported_at=AT,
    )


def _offline(serial: str, names: str) -> Inverter:
    return Inverter(
        serial=serial,
        channels=tuple(Channel(id=f"{serial}-{name}", name=name, power_w=None) for name in names),
    )


TWO = _inverter("408000012345", {"A": 211, "B": 10}, {"": 240})
FOUR = _inverter("801000012345", {"1": 1, "2": 2, "3": 300, "4": 0}, {"": 231})
STAR = _inverter(
    "501000012345", {"1": 26, "2": 27, "3": 28, "4": 29}, {"A": 229, "B": 228, "C": 232}
)


@pytest.mark.parametrize(
    ("inverter", "record_type", "expected"),
    [
        (TWO, "01", "40800001234501 3031 01f5 0089 00d3 00f0 000a 00f0"),
        (TWO, "04", "40800001234501 3034 01f5 0089 00d3 00f0 000a 00f0"),
        (STAR, "02", "50100001234501 3032 01f5 0089 001a 00e5 001b 00e4 001c 00e8 001d"),
        (STAR, "05", "50100001234501 3035 01f5 0089 001a 00e5 001b 00e4 001c 00e8 001d"),
        (FOUR, "03", "80100001234501 3033 01f5 0089 0001 00e7 0002 012c 0000"),
        (Inverter(serial="801000012345", channels=()), "03", "80100001234500 3030"),
    ],
    ids=["yc600", "ds3d", "yc1000", "qt2", "qs1", "never contacted"],
)
def test_a_record_is_laid_out_by_type(
    inverter: Inverter, record_type: RecordType, expected: str
) -> None:
    """Serial, online, type, tenths of hertz, degrees above -100, then watts and volts in turn."""
    reply = write_inverters([Entry(inverter=inverter, type=record_type)], AT)

    assert reply[26:-4] == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("names", "record_type", "style", "expected"),
    [
        ("AB", "01", "zeroed", "3031" + "0000" * 6),
        ("1234", "03", "zeroed", "3033" + "0000" * 7),
        ("1234", "02", "zeroed", "3032" + "0000" * 9),
        ("AB", "01", "zero-celsius", "30310000 0064" + "0000" * 4),
        ("AB", "01", "old-values", "3031 0000 0064 0000 00e7 0000 00e7"),
        ("1234", "05", "old-values", "3035 0000 0064 0000 0183 0000 0183 0001 0183 0000"),
        ("1234", "03", "never-contacted", "3030"),
    ],
)
def test_an_offline_record_has_what_its_firmware_leaves_in_it(
    names: str, record_type: RecordType, style: Offline, expected: str
) -> None:
    """Zeros, which read -100 °C; 0 °C; that, old volts and a watt; or a record without values."""
    entry = Entry(inverter=_offline("801000012345", names), type=record_type, offline=style)
    reply = write_inverters([entry], AT)

    assert reply[26:-4] == bytes.fromhex("80100001234500" + expected)


def test_a_list_has_its_count_its_time_and_its_length() -> None:
    """The length counts all bytes but the line feed; the time is the sweep's, two digits a byte."""
    entries = [Entry(inverter=TWO, type="01"), Entry(inverter=FOUR, type="03")]
    reply = write_inverters(entries, AT)

    assert reply[:26] == b"APS11007300020001" + bytes.fromhex("0002 2026 06 21 12 30 07")
    assert len(reply) - 1 == 73
    assert reply.endswith(b"END\n")


def test_nobody_is_a_list_too() -> None:
    """Without inverters the reply is its head and END, as a real one of 29 bytes was."""
    assert write_inverters([], AT) == (b"APS11002900020001\0\0\x20\x26\x06\x21\x12\x30\x07END\n")


def test_the_record_of_an_unknown_type_is_as_long_as_its_own() -> None:
    """Only the two letters of the type change."""
    plain, odd = (
        write_inverters([Entry(inverter=TWO, type="01", claims=claims)], AT)
        for claims in ("", "99")
    )

    assert odd == plain.replace(b"\x0101", b"\x0199")


INFO = EcuInfo(
    ecu_id="216200012345",
    firmware="ECU_R_PRO_2.0.7A",
    timezone="Europe/Amsterdam",
    energy_lifetime_wh=1_234_500.0,
    energy_today_wh=9_820.0,
    power_w=2650.0,
    inverters=8,
    inverters_online=7,
)
MACS = (bytes.fromhex("020000012345"), bytes.fromhex("020100012345"))


def test_the_system_of_a_late_ecu() -> None:
    """Group 12; kWh in tenths and hundredths; the last contact; texts behind their lengths."""
    style = FrameStyle(group="12", tail=b"00" + bytes(10))
    reply = write_system(INFO, MACS, style, AT)

    assert reply == (
        b"APS120117000121620001234501"
        + bytes.fromhex("00003039 00000a5a 000003d6 20260621123007 0008 0007")
        + b"10016ECU_R_PRO_2.0.7A016Europe/Amsterdam"
        + bytes.fromhex("020000012345 020100012345")
        + b"00" + bytes(10) + b"END\n"
    )  # fmt: skip


def test_the_system_of_an_ecu_r() -> None:
    """Group 11, filler for the last contact, nothing behind the addresses."""
    reply = write_system(INFO, MACS, FrameStyle())

    assert reply[:5] == b"APS11"
    assert reply[39:46] == b"\xd0" * 7
    assert reply.endswith(MACS[1] + b"END\n")
    assert int(reply[5:9]) == len(reply) - 1


def test_the_system_in_format_02() -> None:
    """Without the last contact the counts stand at 39, and the version's length at 49."""
    reply = write_system(INFO, MACS, FrameStyle(format="02"))

    assert reply[25:27] == b"02"
    assert reply[39:43] == b"\0\x08\0\x07"
    assert reply[49:68] == b"016ECU_R_PRO_2.0.7A"


def test_signals_are_255ths() -> None:
    """Seven bytes for each inverter; one that was never heard has 0."""
    heard = Inverter(serial="408000012345", channels=(), signal_ratio=215 / 255)
    unheard = Inverter(serial="801000012345", channels=())

    assert write_signals([heard, unheard]) == (
        b"APS110032003000" + bytes.fromhex("408000012345d7 80100001234500") + b"END\n"
    )


def test_a_curve_has_minutes_and_watts() -> None:
    """Four bytes for each sweep: hours and minutes, two digits a byte, and watts."""
    points = [(AT, 2650), (AT.replace(hour=21, minute=5), 8)]

    assert write_curve(points) == (
        b"APS110026000300" + bytes.fromhex("1230 0a5a 2105 0008") + b"END\n"
    )


def test_a_refusal_has_no_end() -> None:
    """The one reply that was seen without END."""
    assert write_refusal("0002", "02") == b"APS110015000202\n"


def _captured(captures: Path, name: str) -> bytes:
    replies = json.loads((captures / "tcp8899_captures.json").read_text(encoding="utf-8"))
    return bytes.fromhex(next(each["hex"] for each in replies if each["name"] == name))


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("ecub_ds3_realtime", Entry(inverter=TWO, type="01")),
        ("ecur_1.3.6C_qt2_realtime", Entry(inverter=STAR, type="02")),
        ("ecurpro_2.1.27_yc1000_realtime", Entry(inverter=STAR, type="02")),
        ("ecur_yc600_15inv_realtime", Entry(inverter=TWO, type="01")),
    ],
)
def test_a_real_list_has_the_same_shape(captures: Path, name: str, entry: Entry) -> None:
    """Head, type and the length of a record are those of a captured reply."""
    real = _captured(captures, name)
    ours = write_inverters([entry], AT)
    size = len(ours) - 30

    assert real[:5] == ours[:5]
    assert real[9:17] == ours[9:17]
    assert real[32:35] == ours[32:35]
    assert real[26 + size :][:2] in (b"EN", real[26:28])


@pytest.mark.parametrize(
    ("name", "offline", "names"),
    [
        ("ecurpro_2.0.7_ds3_night_realtime", "zeroed", "AB"),
        ("ecuc_qs1_night_9inv_realtime", "zeroed", "1234"),
    ],
)
def test_a_real_offline_record_is_written_alike(
    captures: Path, name: str, offline: Offline, names: str
) -> None:
    """What two real ECUs wrote by night for a DS3 and a QS1, byte by byte."""
    real = _captured(captures, name)
    inverter = _offline(real[26:32].hex(), names)
    record_type: RecordType = "01" if names == "AB" else "03"
    ours = write_inverters([Entry(inverter=inverter, type=record_type, offline=offline)], AT)

    assert real[26:].startswith(ours[26:-4])


@pytest.mark.parametrize(
    ("name", "style", "zone"),
    [
        ("ecur_1.3.6C_qt2_system", FrameStyle(), "Etc/GMT-8"),
        (
            "ecurpro_2.1.27_yc1000_system",
            FrameStyle(group="12", tail=b"00" + bytes(10)),
            "Europe/Stockholm",
        ),
    ],
)
def test_a_real_system_is_written_alike(
    captures: Path, name: str, style: FrameStyle, zone: str
) -> None:
    """Two whole replies of real ECUs, written again from their values."""
    real = _captured(captures, name)
    contact = real[39:46].hex()
    version = real[55 : 55 + int(real[52:55])].decode()
    macs_at = 58 + len(version) + len(zone)
    info = EcuInfo(
        ecu_id=real[13:25].decode(),
        firmware=version,
        timezone=zone,
        energy_lifetime_wh=int.from_bytes(real[27:31]) * 100.0,
        energy_today_wh=int.from_bytes(real[35:39]) * 10.0,
        power_w=float(int.from_bytes(real[31:35])),
        inverters=int.from_bytes(real[46:48]),
        inverters_online=int.from_bytes(real[48:50]),
    )
    at = (
        datetime.strptime(contact, "%Y%m%d%H%M%S")  # noqa: DTZ007  # an ECU's clock has no zone
        if contact.isdecimal()
        else None
    )
    macs = (real[macs_at : macs_at + 6], real[macs_at + 6 : macs_at + 12])

    assert write_system(info, macs, style, at) == real
