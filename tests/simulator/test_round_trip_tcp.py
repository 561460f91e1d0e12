"""The two sides of port 8899: whatever the simulated ECU writes, the parser reads back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_exporter.ecu.frames import (
    FACTORY_ZONE,
    parse_curve,
    parse_inverters,
    parse_signals,
    parse_system,
)
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.frames import (
    Entry,
    FrameStyle,
    Offline,
    RecordType,
    write_curve,
    write_inverters,
    write_signals,
    write_system,
)
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.tcp_commands import parse_command, reply

SHAPES: dict[RecordType, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "00": ((), (), 0),
    "01": (("A", "B"), ("",), 350),
    "02": (("1", "2", "3", "4"), ("A", "B", "C"), 350),
    "03": (("1", "2", "3", "4"), ("",), 350),
    "04": (("A", "B"), ("",), 350),
    "05": (("1", "2", "3", "4"), ("AB", "BC", "CA"), 600),
}
"""Type → its channels, its lines, and the most volts they can have."""

times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001  # local
    lambda at: at.replace(microsecond=0)
)
watts = st.integers(0, 2000).map(float)
few = settings(deadline=None, max_examples=150)


@st.composite
def entries(draw: st.DrawFn, at: datetime) -> Entry:
    """Draw a record of any type: online, offline in any style, or never contacted."""
    type_ = draw(st.sampled_from(get_args(RecordType)))
    names, phases, most_v = SHAPES[type_]
    # 90 begins the serial of a QT2, whatever type it claims; 2 that of an ECU.
    serial = draw(st.sampled_from("34578")) + f"{draw(st.integers(0, 10**11 - 1)):011}"
    online = draw(st.booleans()) and bool(names)
    inverter = Inverter(
        serial=serial,
        channels=tuple(
            Channel(id=f"{serial}-{n}", name=n, power_w=draw(watts) if online else None)
            for n in names
        ),
    )
    if online:
        volts = st.integers(1, most_v).map(float)
        inverter = replace(
            inverter,
            grid_voltages=tuple(PhaseVoltage(phase=p, voltage_v=draw(volts)) for p in phases),
            grid_frequency_hz=draw(st.integers(400, 700)) / 10,
            temperature_c=float(draw(st.integers(-60, 150))),
            reported_at=at,
        )
    return Entry(inverter=inverter, type=type_, offline=draw(st.sampled_from(get_args(Offline))))


roofs = times.flatmap(
    lambda at: st.tuples(
        st.just(at), st.lists(entries(at), max_size=8, unique_by=lambda e: e.inverter.serial)
    )
)


def _as_read(entry: Entry) -> Inverter:
    """Leave out what such a record has no room for: the channels of one never contacted."""
    unheard = not entry.inverter.online and entry.offline == "never-contacted"
    return replace(entry.inverter, channels=()) if unheard else entry.inverter


@few
@given(roof=roofs)
def test_any_roof_comes_back_from_its_list(roof: tuple[datetime, list[Entry]]) -> None:
    """Roof → reply → parser gives the roof, of every type, however its offline records look."""
    at, listed = roof

    sweep = parse_inverters(write_inverters(listed, at))

    assert sweep.table.inverters == tuple(_as_read(entry) for entry in listed)
    assert sweep.swept_at == at
    assert (sweep.table.unreadable, sweep.glitches, sweep.gateways) == ((), {}, ())


words = st.from_regex(r"[A-Z]{3}[-_A-Z0-9.]{0,20}", fullmatch=True)
infos = st.builds(
    EcuInfo,
    ecu_id=st.integers(2 * 10**11, 3 * 10**11 - 1).map(str),
    firmware=words,
    timezone=st.sampled_from(["Europe/Amsterdam", "Asia/Shanghai", FACTORY_ZONE]),
    energy_lifetime_wh=st.integers(0, 10**9).map(lambda tenths: tenths * 100.0),
    energy_today_wh=st.integers(0, 10**7).map(lambda hundredths: hundredths * 10.0),
    power_w=st.integers(0, 10**6).map(float),
    inverters=st.integers(0, 999),
    inverters_online=st.integers(0, 999),
)
styles = st.builds(
    FrameStyle,
    group=st.sampled_from(["11", "12"]),
    format=st.sampled_from(["01", "02"]),
    tail=st.sampled_from([b"", b"00" + bytes(10)]),
)
macs = st.tuples(*[st.binary(min_size=6, max_size=6)] * 2)


@few
@given(info=infos, style=styles, addresses=macs, connected_at=st.none() | times)
def test_any_ecu_comes_back_from_its_greeting(
    info: EcuInfo,
    style: FrameStyle,
    addresses: tuple[bytes, bytes],
    connected_at: datetime | None,
) -> None:
    """Either format, any hardware addresses, any time; the factory's zone says nothing."""
    parsed = parse_system(write_system(info, addresses, style, connected_at))

    assert parsed == (replace(info, timezone=None) if info.timezone == FACTORY_ZONE else info)


@few
@given(levels=st.dictionaries(st.integers(10**11, 10**12 - 1).map(str), st.integers(0, 255)))
def test_any_signals_come_back(levels: dict[str, int]) -> None:
    """Each level is a share of 255; one that was never heard has none."""
    heard = [Inverter(serial=s, channels=(), signal_ratio=n / 255) for s, n in levels.items()]

    assert parse_signals(write_signals(heard)) == {s: n / 255 for s, n in levels.items() if n}


@few
@given(points=st.dictionaries(times.map(lambda at: at.replace(second=0)), st.integers(0, 65535)))
def test_any_curve_comes_back(points: dict[datetime, int]) -> None:
    """Times to the minute, and whole watts."""
    parsed = parse_curve(write_curve(points.items()))

    assert parsed == tuple((at.time(), float(w)) for at, w in points.items())


KINDS = ("yc600", "ds3", "ds3d", "qs1", "yc1000", "qt2")
NOON = datetime(2026, 6, 21, 12, 30, tzinfo=ZoneInfo("Europe/Amsterdam"))
DUSK = datetime(2026, 6, 21, 21, 40, tzinfo=ZoneInfo("Europe/Amsterdam"))
NIGHT = datetime(2026, 6, 21, 23, 30, tzinfo=ZoneInfo("Europe/Amsterdam"))
ODDITIES = (
    *((), ("tcp-own-id",), ("tcp-shuffled",), ("tcp-format-02",), ("awkward-bytes",)),
    *(("inverter-silent=all", f"tcp-offline={style}") for style in get_args(Offline)),
    ("inverter-never-contacted=all",),
)


@pytest.mark.parametrize("interface", ["both", "tcp"])
@pytest.mark.parametrize("at", [NOON, DUSK, NIGHT], ids=["noon", "dusk", "night"])
@pytest.mark.parametrize("faults", ODDITIES, ids=lambda faults: " ".join(faults) or "none")
def test_a_roof_of_all_kinds_comes_back_from_its_port(
    faults: tuple[str, ...], at: datetime, interface: str
) -> None:
    """What the gateway tells is what a client reads: inverters, signals, energies, the curve."""
    chosen = {"family": "php-dc", "kinds": KINDS, "inverters": 12, "faults": faults}
    gateway = Gateway(
        SimulatorSettings(**chosen, interface=interface),  # type: ignore[arg-type]  # by name
        Clock(at, 0),
    )
    told = gateway.told()

    def ask(command: str, day: date | None = None) -> bytes:
        said = "END" if command == "0001" else f"{told.info.ecu_id}END"
        said += f"{day:%Y%m%d}END" if day else ""
        parsed = parse_command(f"APS11{len(said) + 13:04}{command}{said}\n".encode())
        assert parsed
        return reply(gateway, parsed)

    sweep = parse_inverters(ask("0002"), told.info.ecu_id)
    unheard = "tcp-offline=never-contacted" in faults
    expected = {
        each.serial: replace(
            each,
            signal_ratio=None,
            channels=() if unheard and not each.online else each.channels,
            reported_at=told.swept_at if each.online else None,
        )
        for each in told.inverters
    }
    info = parse_system(ask("0001"))

    assert {each.serial: each for each in sweep.table.inverters} == expected
    assert sweep.swept_at == told.swept_at
    assert (sweep.table.unreadable, sweep.glitches) == ((), {})
    assert sweep.gateways == ((told.info.ecu_id,) if "tcp-own-id" in faults else ())
    assert parse_signals(ask("0030")) == {
        each.serial: each.signal_ratio for each in told.inverters if each.signal_ratio
    }
    zone = None if told.info.timezone == FACTORY_ZONE else told.info.timezone
    assert info.energy_today_wh == pytest.approx(told.info.energy_today_wh, abs=5)
    assert info.energy_lifetime_wh == pytest.approx(told.info.energy_lifetime_wh, abs=50)
    assert (info.ecu_id, info.timezone, info.power_w, info.inverters, info.inverters_online) == (
        *(told.info.ecu_id, zone, told.info.power_w),
        *(told.info.inverters, told.info.inverters_online),
    )
    assert [w for _, w in parse_curve(ask("0003", at.date()))] == [
        w for _, w in gateway.curve(at.date())
    ]
