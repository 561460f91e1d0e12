"""Replies that real ECUs sent on port 8899, against truth tables read off the bytes by eye.

The replies stay where they are, and their serials too: inverters go by their place in the reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from aps_exporter.ecu.frames import Sweep, parse_inverters, parse_signals, parse_system
from aps_exporter.errors import EcuPageError
from aps_exporter.model import Inverter

System = tuple[
    str,  # firmware
    str | None,  # zone
    float,  # lifetime, Wh
    float,  # today, Wh
    float,  # W
    int,  # inverters
    int,  # online
]
SYSTEMS: dict[str, System] = {
    "ecub_1.2.33_system": ("ECU_B_1.2.33", None, 1_995_500, 3_100, 425, 1, 1),
    "ecurpro_2.0.7_ds3_night_system": (
        *("ECU_R_PRO_2.0.7A", "Europe/Amsterdam"),
        *(89_300, 9_820, 0, 8, 0),
    ),
    "ecur_1.3.6C_qt2_system": ("ECU_R_1.3.6C", None, 4_358_100, 170, 654, 6, 6),
    "ecur_1.3.6C_qt2_zero_energy_system": ("ECU_R_1.3.6C", None, 4_358_500, 0, 398, 6, 6),
    "ecur_1.3.10_qt2_night_system": ("ECU_R_1.3.10", None, 18_600, 0, 0, 2, 0),
    "ecurpro_2.1.29A_system": (
        *("ECU_R_PRO_2.1.29A", "Europe/Amsterdam"),
        *(15_144_900, 1_390, 1349, 6, 6),
    ),
    "ecuc_c1.2.1_fresh_system_ascii": ("ECU-C-Z_C1.2.1", "Europe/Paris", 0, 0, 0, 2, 0),
    "ecurpro_2.1.27_yc1000_system": (
        *("ECU_R_PRO_2.1.27", "Europe/Stockholm"),
        *(39_204_700, 9_370, 1224, 11, 10),
    ),
    "ecucz_c1.2.24D_system": (
        *("ECU-C-Z_C1.2.24D", "Europe/Warsaw"),
        *(18_132_900, 30_120, 8172, 7, 7),
    ),
    "ecurpro_2.0.0_system": ("ECU_R_PRO_2.0.0", "US/Pacific", 128_600, 35_810, 3561, 10, 10),
}

Row = tuple[
    tuple[float | None, ...],  # watts of each channel
    dict[str, float],  # volts by phase
    float | None,  # hertz
    float | None,  # degrees
]
NEVER: Row = ((), {}, None, None)
OFF2: Row = ((None,) * 2, {}, None, None)
OFF4: Row = ((None,) * 4, {}, None, None)


def one(a: float, b: float, volts: float, hertz: float, degrees: float) -> Row:
    """Write the row of a two-channel inverter on one line."""
    return (a, b), {"": volts}, hertz, degrees


def star(watts: tuple[float, ...], volts: tuple[float, ...], hertz: float, degrees: float) -> Row:
    """Write the row of an inverter on three lines."""
    return watts, dict(zip("ABC", volts, strict=True)), hertz, degrees


def delta(watts: tuple[float, ...], volts: tuple[float, ...], hertz: float, degrees: float) -> Row:
    """Write the row of an inverter between three lines."""
    return watts, dict(zip(("AB", "BC", "CA"), volts, strict=True)), hertz, degrees


SWEEPS: dict[str, tuple[str, list[Row]]] = {
    "ecub_ds3_realtime": ("2024-09-13 12:59:32", [one(211, 214, 240, 49.9, 51)]),
    "ecur_1.3.6C_qt2_realtime": (
        "2023-11-20 15:19:34",
        [
            delta((26, 26, 27, 25), (390, 391, 383), 49.9, 23),
            delta((26, 27, 29, 29), (386, 390, 389), 49.9, 20),
            delta((28, 29, 30, 30), (384, 389, 391), 49.9, 21),
            delta((24, 29, 28, 28), (390, 387, 393), 49.9, 21),
            delta((27, 26, 30, 29), (391, 386, 387), 49.9, 18),
            delta((26, 26, 22, 27), (392, 390, 386), 49.9, 19),
        ],
    ),
    "ecur_1.3.6C_qt2_realtime_b": (
        "2023-11-21 15:13:54",
        [
            delta((20, 20, 20, 19), (389, 394, 393), 49.9, 17),
            delta((18, 19, 20, 20), (392, 393, 392), 49.9, 15),
            delta((19, 20, 21, 21), (395, 391, 390), 50.0, 16),
            delta((18, 21, 19, 19), (391, 395, 391), 50.0, 18),
            delta((19, 18, 21, 20), (394, 394, 388), 50.0, 14),
            delta((17, 18, 17, 18), (390, 398, 392), 49.9, 15),
        ],
    ),
    "ecur_1.3.10_qt2_night_realtime": ("2024-03-13 21:12:36", [OFF4, OFF4]),
    "ecuc_qs1_night_9inv_realtime": ("2022-05-17 22:41:22", [OFF4] * 5 + [NEVER] * 4),
    "ecuc_c1.2.24B_empty_realtime": ("2026-04-26 15:20:00", []),
    "ecurpro_2.0.7_ds3_night_realtime": ("2022-09-19 22:28:05", [OFF2] * 4 + [NEVER] * 4),
    "ecur_yc600_15inv_realtime": (
        "2022-06-16 14:52:51",
        [
            one(194, 47, 243, 60.0, 43),
            one(190, 51, 240, 60.0, 47),
            one(195, 194, 242, 60.0, 47),
            one(194, 200, 241, 60.0, 51),
            one(193, 192, 243, 60.0, 49),
            one(195, 199, 243, 60.0, 42),
            one(192, 47, 240, 59.9, 45),
            one(196, 0, 241, 60.0, 39),
            one(198, 196, 240, 60.0, 49),
            one(196, 46, 243, 60.0, 32),
            one(197, 195, 242, 59.9, 48),
            one(193, 46, 240, 60.0, 39),
            OFF2,
            one(193, 194, 242, 59.9, 48),
        ],  # the fifteenth is the ECU itself
    ),
    "ecurpro_2.1.27_yc1000_realtime": (
        "2025-10-31 13:15:00",
        [
            star((2, 33, 31, 32), (229, 228, 232), 50.0, 23),
            star((2, 57, 55, 27), (229, 228, 232), 50.0, 24),
            star((2, 33, 32, 32), (229, 228, 232), 50.0, 22),
            star((2, 57, 55, 56), (229, 228, 231), 50.0, 25),
            star((2, 58, 56, 56), (230, 228, 232), 49.9, 23),
            star((2, 33, 32, 32), (229, 228, 231), 50.0, 24),
            star((2, 2, 32, 32), (229, 229, 232), 50.0, 21),
            star((2, 2, 55, 53), (230, 229, 232), 50.1, 26),
            star((2, 56, 56, 54), (228, 228, 231), 50.0, 22),
            NEVER,
            star((2, 32, 32, 31), (230, 230, 233), 50.1, 16),
        ],
    ),
}
SIGNALS: dict[str, list[int]] = {
    "ecurpro_2.0.7_ds3_night_signal": [0xD8, 0xE4, 0xE2, 0xCA],  # four were never seen
    "ecur_1.3.6C_qt2_signal": [0xAB] * 6,
    "ecur_1.3.10_qt2_night_signal": [],
}
ERRORS = {
    "realtime_error_02": (
        "page_unrecognised",
        "the ECU has no data for 0002: it answers with status 02",
    ),
    "ecurpro_2.1.29A_ds3_realtime_truncated": (
        "page_truncated",
        "the ECU's answer to 0002 is cut off: 100 bytes of 155",
    ),
}
SUMS = {
    "ecur_1.3.6C_qt2_realtime": "ecur_1.3.6C_qt2_system",
    "ecurpro_2.1.27_yc1000_realtime": "ecurpro_2.1.27_yc1000_system",
    "ecub_ds3_realtime": "ecub_1.2.33_system",
}
"""Replies to 0002 and 0001 of the same sweep."""

PARSERS: dict[bytes, Callable[[bytes], object]] = {
    b"0001": parse_system,
    b"0002": parse_inverters,
    b"0030": parse_signals,
}


@pytest.fixture(scope="module")
def replies(captures: Path) -> dict[str, bytes]:
    """Read all replies."""
    entries = json.loads((captures / "tcp8899_captures.json").read_text())
    return {entry["name"]: bytes.fromhex(entry["hex"]) for entry in entries}


def told(inverter: Inverter) -> Row:
    """Write an inverter as a row of the truth table."""
    return (
        tuple(channel.power_w for channel in inverter.channels),
        {line.phase: line.voltage_v for line in inverter.grid_voltages},
        inverter.grid_frequency_hz,
        inverter.temperature_c,
    )


def test_every_reply_has_its_truth(replies: dict[str, bytes]) -> None:
    """No reply in the folder is without a row of a truth table here."""
    assert replies.keys() == {*SYSTEMS, *SWEEPS, *SIGNALS, *ERRORS}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_value_of_a_system_reply_is_right(replies: dict[str, bytes], name: str) -> None:
    """Id, firmware, zone, energies, power and counts are those of the bytes."""
    info = parse_system(replies[name])

    assert info.ecu_id == replies[name][13:25].decode()
    assert (
        info.firmware,
        info.timezone,
        info.energy_lifetime_wh,
        info.energy_today_wh,
        info.power_w,
        info.inverters,
        info.inverters_online,
    ) == SYSTEMS[name]
    assert info.unreadable == ()


@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_of_a_sweep_is_right(replies: dict[str, bytes], name: str) -> None:
    """Watts, volts, hertz and degrees of each inverter are right, or absent."""
    swept_at, rows = SWEEPS[name]
    sweep = parse_inverters(replies[name])

    assert [told(inverter) for inverter in sweep.table.inverters] == rows
    assert sweep.swept_at == datetime.fromisoformat(swept_at)
    assert sweep.table.unreadable == ()
    assert sweep.table.duplicate_rows == 0
    assert sweep.glitches == {}


@pytest.mark.parametrize("name", SWEEPS)
def test_serials_and_channels_of_a_sweep(replies: dict[str, bytes], name: str) -> None:
    """Panels have the ids that web pages give them; only who is online has the sweep's time."""
    sweep = parse_inverters(replies[name])
    for inverter in sweep.table.inverters:
        names = {0: "", 2: "AB", 4: "1234"}[len(inverter.channels)]

        assert bytes.fromhex(inverter.serial) in replies[name]
        assert [c.id for c in inverter.channels] == [f"{inverter.serial}-{n}" for n in names]
        assert [c.name for c in inverter.channels] == list(names)
        assert inverter.reported_at == (sweep.swept_at if inverter.online else None)


def test_the_ecu_that_lists_itself_is_no_inverter(replies: dict[str, bytes]) -> None:
    """The fifteenth record of that reply is an ECU-R's own id."""
    sweep: Sweep = parse_inverters(replies["ecur_yc600_15inv_realtime"])

    assert len(sweep.table.inverters) == 14
    assert [gateway[:4] for gateway in sweep.gateways] == ["2160"]


@pytest.mark.parametrize("name", SUMS)
def test_the_sum_of_a_sweep_is_the_systems_power(replies: dict[str, bytes], name: str) -> None:
    """Both replies of a sweep agree on the power, and on who is online."""
    inverters = parse_inverters(replies[name]).table.inverters
    info = parse_system(replies[SUMS[name]])

    assert sum(c.power_w or 0 for i in inverters for c in i.channels) == info.power_w
    assert sum(i.online for i in inverters) == info.inverters_online


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_is_right(replies: dict[str, bytes], name: str) -> None:
    """A signal is the level out of 255; level 0 is none."""
    assert list(parse_signals(replies[name]).values()) == [level / 255 for level in SIGNALS[name]]


@pytest.mark.parametrize("name", ERRORS)
def test_a_reply_that_is_none_is_told_as_what_it_is(replies: dict[str, bytes], name: str) -> None:
    """The error reply has no ``END``; the other one was cut off."""
    with pytest.raises(EcuPageError) as caught:
        parse_inverters(replies[name])

    assert (caught.value.status, str(caught.value)) == ERRORS[name]


@pytest.mark.parametrize("name", [*SYSTEMS, *SWEEPS, *SIGNALS])
def test_a_captured_reply_cut_anywhere_has_no_wrong_value(
    replies: dict[str, bytes], name: str
) -> None:
    """Cut anywhere, a reply is truncated; only its line feed may be missing."""
    parse = PARSERS[replies[name][9:13]]
    for end in range(len(replies[name]) - 1):
        with pytest.raises(EcuPageError) as caught:
            parse(replies[name][:end])

        assert caught.value.status == "page_truncated"
    assert parse(replies[name][:-1]) == parse(replies[name])
