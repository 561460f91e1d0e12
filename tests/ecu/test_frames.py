"""What is made of replies of the TCP service, of every inverter type and with every oddity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time

import pytest

from aps_exporter.ecu.frames import (
    Sweep,
    complete,
    frame_length,
    parse_curve,
    parse_inverters,
    parse_signals,
    parse_system,
    with_signals,
)
from aps_exporter.errors import EcuPageError
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Table, UnreadableCell
from tests.ecu.frame_writing import ECU_ID, curve, frame, inverters, record, signals, system

AT = datetime.fromisoformat("2026-06-21 12:30:00")
YC600, QS1, YC1000, QT2 = "408000012345", "801000090001", "501000012345", "901000012345"
DS3 = record("704000012345", "01", 500, 151, 211, 240, 214, 240)


def fails(parse: Callable[[bytes], object], reply: bytes) -> EcuPageError:
    """Parse a reply that can't be, and give the error."""
    with pytest.raises(EcuPageError) as caught:
        parse(reply)
    return caught.value


def only(sweep: Sweep) -> Inverter:
    """Give the one inverter of a sweep in which all is understood."""
    assert sweep.table.unreadable == ()
    (inverter,) = sweep.table.inverters
    return inverter


@pytest.mark.parametrize("type_", ["01", "04"])
def test_an_inverter_with_two_channels(type_: str) -> None:
    """YC600 and DS3 tell the one line's volts twice; their channels are A and B."""
    sweep = parse_inverters(inverters(record(YC600, type_, 501, 145, 211, 240, 214, 240)))

    assert only(sweep) == Inverter(
        serial=YC600,
        channels=(
            Channel(id=f"{YC600}-A", name="A", power_w=211),
            Channel(id=f"{YC600}-B", name="B", power_w=214),
        ),
        grid_voltages=(PhaseVoltage(phase="", voltage_v=240),),
        grid_frequency_hz=50.1,
        temperature_c=45,
        reported_at=AT,
    )


def test_the_qs1() -> None:
    """A QS1 has four channels and one line; the volts come after the first power."""
    sweep = parse_inverters(inverters(record(QS1, "03", 499, 90, 101, 231, 102, 103, 104)))

    assert only(sweep) == Inverter(
        serial=QS1,
        channels=tuple(
            Channel(id=f"{QS1}-{n}", name=f"{n}", power_w=100 + n) for n in (1, 2, 3, 4)
        ),
        grid_voltages=(PhaseVoltage(phase="", voltage_v=231),),
        grid_frequency_hz=49.9,
        temperature_c=-10,
        reported_at=AT,
    )


@pytest.mark.parametrize(
    ("serial", "type_", "volts", "phases"),
    [
        (YC1000, "02", (229, 228, 232), "A B C"),
        (YC1000, "02", (277, 278, 305), "A B C"),
        (QT2, "02", (390, 391, 383), "AB BC CA"),
        (QT2, "02", (208, 207, 209), "AB BC CA"),
        (YC1000, "02", (400, 401, 402), "AB BC CA"),
        (QT2, "05", (390, 391, 383), "AB BC CA"),
        (YC1000, "05", (400, 480, 402), "AB BC CA"),
    ],
)
def test_an_inverter_on_three_lines(
    serial: str, type_: str, volts: tuple[int, ...], phases: str
) -> None:
    """A YC1000 measures from each line to neutral, a QT2 between lines, also where it's type 02."""
    a, b, c = volts
    inverter = only(
        parse_inverters(inverters(record(serial, type_, 500, 123, 1, a, 2, b, 3, c, 4)))
    )

    assert [channel.power_w for channel in inverter.channels] == [1, 2, 3, 4]
    assert [channel.name for channel in inverter.channels] == ["1", "2", "3", "4"]
    assert [(line.phase, line.voltage_v) for line in inverter.grid_voltages] == list(
        zip(phases.split(), volts, strict=True)
    )


def test_an_inverter_that_was_never_seen_has_no_channels() -> None:
    """Type 00 is a short record, wherever in the list it stands."""
    never = record("704000099999", "00", online=0)
    sweep = parse_inverters(
        inverters(never, DS3, never.replace(b"\x99", b"\x88"), DS3[:5] + b"1" + DS3[6:])
    )

    assert [len(inverter.channels) for inverter in sweep.table.inverters] == [0, 2, 0, 2]
    assert [inverter.online for inverter in sweep.table.inverters] == [False, True, False, True]


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 0, 0, 0, 0, 0),
        (0, 100, 0, 0, 0, 0),
        (0, 100, 0, 387, 1, 386),
        (500, 145, 211, 240, 214, 240),
    ],
    ids=["zeros", "raw 0x64", "old volts and a watt", "all old"],
)
def test_an_offline_inverter_has_no_values(numbers: tuple[int, ...]) -> None:
    """Whatever an offline inverter's record still holds is about another time."""
    sweep = parse_inverters(inverters(record(YC600, "01", *numbers, online=0)))
    inverter = only(sweep)

    assert inverter == Inverter(
        serial=YC600,
        channels=(
            Channel(id=f"{YC600}-A", name="A", power_w=None),
            Channel(id=f"{YC600}-B", name="B", power_w=None),
        ),
    )
    assert not inverter.online
    assert sweep.glitches == {}


@pytest.mark.parametrize("raw_c", [0, 100])
def test_an_online_inverter_without_any_value_is_not_believed(raw_c: int) -> None:
    """A record of zeros measures nothing, so its 0 W are none."""
    sweep = parse_inverters(inverters(record(YC600, "01", 0, raw_c, 0, 0, 0, 0)))

    assert not only(sweep).online
    assert sweep.glitches == {"temperature": 1}


def test_measured_zeros_are_values() -> None:
    """An inverter that answers may make 0 W at 0 °C; 0 V and 0 Hz mean that there is no grid."""
    inverter = only(parse_inverters(inverters(record(YC600, "01", 500, 100, 0, 240, 0, 240))))

    assert inverter.online
    assert [channel.power_w for channel in inverter.channels] == [0, 0]
    assert inverter.temperature_c == 0

    inverter = only(parse_inverters(inverters(record(YC600, "01", 0, 130, 0, 0, 0, 0))))

    assert inverter.online
    assert inverter.grid_frequency_hz is None
    assert inverter.grid_voltages == ()
    assert inverter.temperature_c == 30


@pytest.mark.parametrize(
    ("numbers", "glitches"),
    [
        ((500, 0, 1, 240, 2, 240), {"temperature": 1}),
        ((500, 65535, 1, 240, 2, 240), {"temperature": 1}),
        ((500, 39, 1, 240, 2, 240), {"temperature": 1}),
        ((500, 130, 1, 65535, 2, 240), {"voltage": 1}),
        ((500, 130, 1, 351, 2, 6500), {"voltage": 2}),
        ((65535, 130, 1, 240, 2, 240), {"frequency": 1}),
        ((399, 130, 1, 240, 2, 240), {"frequency": 1}),
        ((500, 130, 65535, 240, 2, 240), {"power": 1}),
        ((500, 130, 2001, 240, 2001, 240), {"power": 2}),
    ],
)
def test_impossible_values_are_left_out_and_counted(
    numbers: tuple[int, ...], glitches: dict[str, int]
) -> None:
    """What no inverter can measure is absent, and the rest of its record stays."""
    sweep = parse_inverters(inverters(record(YC600, "01", *numbers)))
    inverter = only(sweep)
    (kind,) = glitches

    assert sweep.glitches == glitches
    assert inverter.online
    assert (inverter.temperature_c is None) == (kind == "temperature")
    assert (inverter.grid_frequency_hz is None) == (kind == "frequency")
    assert [line.voltage_v for line in inverter.grid_voltages] == (
        [] if glitches == {"voltage": 2} else [240]
    )
    assert [channel.power_w for channel in inverter.channels].count(None) == glitches.get(
        "power", 0
    )


def test_one_impossible_line_of_three_is_left_out() -> None:
    """Volts beyond any grid don't make a YC1000 a QT2."""
    sweep = parse_inverters(inverters(record(YC1000, "02", 500, 130, 1, 230, 2, 65535, 3, 231, 4)))

    assert [(line.phase, line.voltage_v) for line in only(sweep).grid_voltages] == [
        ("A", 230),
        ("C", 231),
    ]
    assert sweep.glitches == {"voltage": 1}


@pytest.mark.parametrize("gateway", [ECU_ID, "215000054321", "999900012345"])
def test_an_ecu_is_no_inverter(gateway: str) -> None:
    """An ECU's id in the list is dropped: one that looks like it, or the one that is asked."""
    reply = inverters(DS3, record(gateway, "00", online=0))
    sweep = parse_inverters(reply, gateway)

    assert only(sweep).serial == "704000012345"
    assert sweep.gateways == (gateway,)


def test_an_inverter_listed_twice_counts_once() -> None:
    """The first record counts, as does the first row of a page."""
    second = record("704000012345", "01", 500, 151, 1, 240, 2, 240)
    table = parse_inverters(inverters(DS3, second)).table

    assert table.duplicate_rows == 1
    assert [channel.power_w for channel in table.inverters[0].channels] == [211, 214]


UNKNOWN = record("990000012345", "77", *range(10))


@pytest.mark.parametrize(
    "records",
    [
        (UNKNOWN, DS3, record(QS1, "03", 1, 2, 3, 4, 5, 6, 7)),
        (DS3, UNKNOWN, record(QS1, "00", online=0)),
        (DS3, record(QS1, "00", online=0), UNKNOWN),
        (UNKNOWN, record("990000054321", "77", *range(10)), DS3),
        (UNKNOWN,),
    ],
    ids=["first", "middle", "last", "two alike", "alone"],
)
def test_an_inverter_of_unknown_type_is_lost_alone(records: tuple[bytes, ...]) -> None:
    """Its record's length follows from the rest, which is read as ever."""
    table = parse_inverters(inverters(*records)).table
    unknown = [part[:6].hex() for part in records if part[7:9] == b"77"]
    known = [part[:6].hex() for part in records if part[7:9] != b"77"]

    assert [inverter.serial for inverter in table.inverters] == known
    assert table.unreadable == tuple(
        UnreadableCell(row=serial, column="type", text="77") for serial in unknown
    )


def test_what_cannot_be_told_apart_is_said_to_be_lost() -> None:
    """Two unknown types leave open where the next record begins; those before them are safe."""
    other = record("990000054321", "78", 1, 2, 3)
    table = parse_inverters(inverters(DS3, UNKNOWN, other, DS3)).table
    (cell,) = table.unreadable

    assert [inverter.serial for inverter in table.inverters] == ["704000012345"]
    assert cell == UnreadableCell(
        row="990000012345",
        column="type",
        text="77 (65 bytes from here on can't be told apart)",
    )


def test_nothing_is_guessed_where_two_lengths_fit() -> None:
    """An unknown record may look as if another began within it."""
    unknown = record("990000012345", "77") + record(YC600, "01") + bytes(3)
    never = [record(serial, "00", online=0) for serial in ("704000000001", "704000000002")]
    table = parse_inverters(inverters(DS3, unknown, *never)).table

    assert [inverter.serial for inverter in table.inverters] == ["704000012345"]
    assert [cell.row for cell in table.unreadable] == ["990000012345"]


@pytest.mark.parametrize(
    ("bad", "cell"),
    [
        (b"\x4a" + DS3[1:], UnreadableCell(row="record 2", column="id", text="4a4000012345")),
        (bytes(6) + DS3[6:], UnreadableCell(row="record 2", column="id", text="0" * 12)),
        (
            record(YC600, "01", 500, 130, 1, 2, 3, 4, online=7),
            UnreadableCell(row=YC600, column="online", text="07"),
        ),
    ],
)
def test_a_bad_record_loses_its_inverter_alone(bad: bytes, cell: UnreadableCell) -> None:
    """An id that is none, or a state that nobody knows, costs nobody else anything."""
    table = parse_inverters(inverters(DS3, bad, record(QS1, "03", 500, 130, 1, 230, 2, 3, 4))).table

    assert [inverter.serial for inverter in table.inverters] == ["704000012345", QS1]
    assert table.unreadable == (cell,)


@pytest.mark.parametrize("count", [0, 1, 3, 65535])
def test_a_wrong_count_is_noticed(count: int) -> None:
    """The records are read all the same."""
    table = parse_inverters(inverters(DS3, record(QS1, "00", online=0), count=count)).table

    assert len(table.inverters) == 2
    assert table.unreadable == (
        UnreadableCell(row="reply", column="count", text=f"{count}, where 2 follow"),
    )


@pytest.mark.parametrize("end", [1, 8, 9, 20])
def test_a_last_record_that_is_cut_off_is_not_read(end: int) -> None:
    """An ECU that is just writing its list is asked again."""
    error = fails(parse_inverters, inverters(DS3, DS3[:end]))

    assert error.status == "page_truncated"
    assert str(error) == "the ECU's list of inverters is cut off in record 2"


def test_an_empty_list_is_a_table() -> None:
    """An ECU that has just started, or whose firmware hides its inverters, lists none."""
    assert parse_inverters(inverters()).table == Table(inverters=())


def test_line_feeds_and_the_word_end_in_a_record_mean_nothing() -> None:
    """Numbers may look like the end of a reply."""
    odd = int.from_bytes(b"EN"), int.from_bytes(b"D\n")
    reply = inverters(
        record("454e440a0a0a".replace("e", "1"), "01", 0x0A0A, 0x0A, 0x0A, 0x0A, *odd), DS3
    )
    table = parse_inverters(reply).table

    assert b"END\n" in reply[:-4]
    assert len(table.inverters) + len(table.unreadable) == 2
    assert table.inverters[-1].serial == "704000012345"


@pytest.mark.parametrize(
    ("bcd", "swept_at", "unreadable"),
    [
        ("20261231235959", "2026-12-31 23:59:59", 0),
        ("00000000000000", None, 0),
        ("d0d0d0d0d0d0d0", None, 0),
        ("ffffffffffffff", None, 0),
        ("20261331120000", None, 1),
        ("2026063012300a", None, 1),
        ("99990630123000", None, 1),
    ],
)
def test_the_time_of_a_sweep(bcd: str, swept_at: str | None, unreadable: int) -> None:
    """A time that is none is absent; the marks for "no time" aren't even worth a word."""
    sweep = parse_inverters(inverters(DS3, time=bcd))

    assert sweep.swept_at == (swept_at and datetime.fromisoformat(swept_at))
    assert sweep.table.inverters[0].reported_at == sweep.swept_at
    assert sweep.table.inverters[0].online
    assert len(sweep.table.unreadable) == unreadable


@pytest.mark.parametrize("model", ["01", "02"])
def test_system_information(model: str) -> None:
    """Both models say the same, in other places; energies are watt-hours."""
    assert parse_system(system(model=model)) == EcuInfo(
        ecu_id=ECU_ID,
        firmware="ECU_R_PRO_2.1.27",
        timezone="Europe/Amsterdam",
        energy_lifetime_wh=12_345_600.0,
        energy_today_wh=5_670.0,
        power_w=1234.0,
        inverters=4,
        inverters_online=3,
    )


def test_the_factorys_zone_is_no_zone() -> None:
    """ECU-R and ECU-B name Etc/GMT-8 wherever they are."""
    assert parse_system(system(timezone="Etc/GMT-8")).timezone is None


def test_a_reply_without_zone() -> None:
    """What stands where the zone's length should be is no length."""
    info = parse_system(system(model="02", timezone=""))

    assert info.firmware == "ECU_R_PRO_2.1.27"
    assert info.timezone is None
    assert info.unreadable == ()


def test_filled_fields_are_absent() -> None:
    """A number of D0 or FF bytes only is how a field is written that has no value."""
    info = parse_system(
        system(lifetime=0xFFFFFFFF, power=0xD0D0D0D0, today=0xFFFFFFFF, counts=(0xFFFF, 0xD0D0))
    )

    assert (info.energy_lifetime_wh, info.energy_today_wh, info.power_w) == (None, None, None)
    assert (info.inverters, info.inverters_online) == (None, None)


def test_an_unknown_model_tells_what_all_models_tell() -> None:
    """Its counts and texts may be anywhere; its energies are where they always were."""
    info = parse_system(system(model="07"))

    assert info.energy_lifetime_wh == 12_345_600.0
    assert (info.inverters, info.inverters_online, info.firmware) == (None, None, None)
    assert info.unreadable == (UnreadableCell(row="system", column="model", text="07"),)


@pytest.mark.parametrize("firmware", ["", "\n", "x" * 65])
def test_a_firmware_that_is_no_word_is_unreadable(firmware: str) -> None:
    """Nothing that could break a line or a label gets through."""
    info = parse_system(system(firmware=firmware))

    assert info.firmware is None
    assert [cell.column for cell in info.unreadable] == ["firmware"]
    assert "\n" not in info.unreadable[0].text


@pytest.mark.parametrize(
    "reply",
    [
        system(ecu_id="2160X0012345"),
        system(ecu_id="21600001234\n"),
        frame("0001", b""),
        frame("0001", b"21600001234501"),
    ],
)
def test_a_system_reply_without_an_id_is_none(reply: bytes) -> None:
    """The id goes into the next commands, so it has twelve digits, and the numbers follow it."""
    error = fails(parse_system, reply)

    assert error.status == "page_unrecognised"
    assert "no id or is too short" in str(error)
    assert "\n" not in str(error)


def test_signals() -> None:
    """A level is a share of 255; level 0 is an inverter that was not heard."""
    reply = signals({YC600: 255, QS1: 51, QT2: 0})

    assert parse_signals(reply) == {YC600: 1.0, QS1: 0.2}


def test_only_online_inverters_get_their_signal() -> None:
    """An ECU keeps the levels of inverters that went offline."""
    off = record(QS1, "03", *[0] * 7, online=0)
    table = parse_inverters(inverters(DS3, off, record(YC600, "01", 500, 130, 1, 2, 3, 4))).table
    signalled = with_signals(table, {"704000012345": 0.8, QS1: 0.5})

    assert [inverter.signal_ratio for inverter in signalled.inverters] == [0.8, None, None]


def test_the_curve_of_a_day() -> None:
    """Points are minutes of the ECU's wall clock and watts of the whole roof."""
    reply = curve({"0625": 3, "1230": 4321, "2359": 0})

    assert parse_curve(reply) == ((time(6, 25), 3.0), (time(12, 30), 4321.0), (time(23, 59), 0.0))
    assert parse_curve(curve({})) == ()


@pytest.mark.parametrize("at", ["2460", "2400", "0a00", "ffff"])
def test_a_curve_with_times_that_are_none_is_not_used(at: str) -> None:
    """Where one time is wrong, the others may be, too."""
    error = fails(parse_curve, curve({"0625": 3, at: 4}))

    assert str(error) == "the ECU's answer to 0003 holds times that are none"


@pytest.mark.parametrize(
    ("parse", "reply"),
    [(parse_signals, frame("0030", b"00" + bytes(8))), (parse_curve, frame("0003", b"00abc"))],
)
def test_a_broken_list_of_entries(parse: Callable[[bytes], object], reply: bytes) -> None:
    """Entries of a fixed length that don't fill the reply are not guessed at."""
    assert "holds no whole number of entries" in str(fails(parse, reply))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "0001": parse_system,
    "0002": parse_inverters,
    "0030": parse_signals,
    "0003": parse_curve,
}
GOOD = {
    "0001": system(),
    "0002": inverters(DS3),
    "0030": signals({YC600: 9}),
    "0003": curve({"1200": 5}),
}


@pytest.mark.parametrize("command", GOOD)
def test_more_than_a_reply_changes_nothing(command: str) -> None:
    """Bytes behind the reply are not part of it, nor need the line feed be there."""
    reply = GOOD[command]

    assert PARSERS[command](reply + b"APS110016") == PARSERS[command](reply)
    assert PARSERS[command](reply[:-1]) == PARSERS[command](reply)


@pytest.mark.parametrize("command", GOOD)
def test_the_reply_to_another_command(command: str) -> None:
    """A reply to anything else is not taken."""
    for other in GOOD.keys() - {command}:
        error = fails(PARSERS[other], GOOD[command])

        assert error.status == "page_unrecognised"
        assert str(error).startswith(f"the ECU answers {other} with something else: APS1")


@pytest.mark.parametrize("command", ["0002", "0030", "0003"])
@pytest.mark.parametrize("status", [b"01", b"02", b"\n\n"])
def test_the_error_reply(command: str, status: bytes) -> None:
    """An ECU that has no data says so without ``END``."""
    error = fails(PARSERS[command], f"APS110015{command}".encode() + status + b"\n")

    assert error.status == "page_unrecognised"
    assert str(error).startswith(f"the ECU has no data for {command}: it answers with status ")
    assert "\n" not in str(error)


@pytest.mark.parametrize("wrong", [-1, 1, -20])
def test_a_wrong_length(wrong: int) -> None:
    """A reply that doesn't end where it says is cut off or not understood."""
    reply = inverters(DS3)
    lying = reply[:5] + f"{int(reply[5:9]) + wrong:04}".encode() + reply[9:]

    assert fails(parse_inverters, lying).status == "page_unrecognised"
    assert fails(parse_inverters, lying[: int(lying[5:9]) - 1]).status == "page_truncated"


def test_a_reply_too_short_for_a_head() -> None:
    """A list needs a count and a time."""
    assert "too short" in str(fails(parse_inverters, frame("0002", b"0001")))


@pytest.mark.parametrize(
    "buffer", [b"HTTP/1.1 400 Bad", b"APX", b"APS1X", b"\n", b"<html>", b"APS11001x0001"]
)
def test_what_no_ecu_says_is_known_at_once(buffer: bytes) -> None:
    """Another service on the port is told from an ECU by its first bytes."""
    error = fails(frame_length, buffer)

    assert error.status == "page_unrecognised"
    assert str(error).startswith("the answer is not that of an ECU: it begins with ")
    assert "\n" not in str(error)
    assert fails(parse_system, buffer).status == "page_unrecognised"


def test_a_reply_is_complete_at_its_length() -> None:
    """Neither line feeds nor ``END`` end a reply, but its length does."""
    reply = inverters(record(YC600, "01", 0x454E, 0x440A, 1, 2, 3, 4))

    assert [complete(reply[:end]) for end in range(len(reply) + 1)] == [
        end >= len(reply) - 1 for end in range(len(reply) + 1)
    ]
    assert frame_length(reply[:12]) is None
    assert frame_length(reply[:13]) == len(reply) - 1
