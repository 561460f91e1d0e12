"""The faults of the TCP interface: odd records and replies, and a port with moods."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from aps_exporter.model import EcuInfo, Inverter
from aps_exporter.simulator.fault_kind import (
    WHICH,
    FaultKind,
    concerns,
    is_number,
    is_serial_or_all,
)
from aps_exporter.simulator.frames import Entry, Offline, write_refusal

__all__ = ["TCP_FAULTS"]

_FACTORY_ZONE = "Etc/GMT-8"
_UNKNOWN_TYPE = "99"


def _claim_factory_zone(info: EcuInfo, _argument: str) -> EcuInfo:
    return replace(info, timezone=_FACTORY_ZONE)


def _list_nobody(_entries: tuple[Entry, ...], _argument: str, _info: EcuInfo) -> tuple[Entry, ...]:
    return ()


def _list_itself(entries: tuple[Entry, ...], _argument: str, info: EcuInfo) -> tuple[Entry, ...]:
    return (*entries, Entry(inverter=Inverter(serial=info.ecu_id or "", channels=()), type="00"))


def _shuffle(entries: tuple[Entry, ...], _argument: str, _info: EcuInfo) -> tuple[Entry, ...]:
    return (*entries[1::2], *entries[::2])


def _claim_unknown_type(
    entries: tuple[Entry, ...], argument: str, _info: EcuInfo
) -> tuple[Entry, ...]:
    return tuple(
        replace(entry, claims=_UNKNOWN_TYPE) if concerns(entry.inverter, argument) else entry
        for entry in entries
    )


def _write_offline(entries: tuple[Entry, ...], argument: str, _info: EcuInfo) -> tuple[Entry, ...]:
    style = next(each for each in get_args(Offline) if each == argument)
    return tuple(replace(entry, offline=style) for entry in entries)


def _refuse(reply: bytes, argument: str) -> bytes:
    """Answer as to a command that failed; what the ECU is, it says always."""
    command = reply[9:13].decode()
    return reply if command == "0001" else write_refusal(command, argument)


def _cut(reply: bytes, argument: str) -> bytes:
    return reply[: int(len(reply) * float(argument))]


def _misstate_length(reply: bytes, argument: str) -> bytes:
    length = max(int(reply[5:9]) + int(float(argument)), 0)
    return b"%b%04d%b" % (reply[:5], length, reply[9:])


TCP_FAULTS: tuple[FaultKind, ...] = (
    FaultKind(
        name="tcp-error",
        help="over TCP each command fails but the first: a reply without END",
        argument="the status of two digits",
        default="02",
        valid=lambda text: len(text) == 2 and text.isdecimal(),  # noqa: PLR2004  # digits
        frame=_refuse,
    ),
    FaultKind(
        name="tcp-count-zero",
        help="over TCP no inverter is listed, whoever produces",
        entries=_list_nobody,
    ),
    FaultKind(
        name="tcp-own-id",
        help="over TCP the ECU lists itself as an inverter never contacted",
        entries=_list_itself,
    ),
    FaultKind(
        name="tcp-shuffled",
        help="over TCP the inverters come in another order",
        entries=_shuffle,
    ),
    FaultKind(
        name="tcp-unknown-type",
        help=f"over TCP the inverter is of type {_UNKNOWN_TYPE}",
        argument=WHICH,
        valid=is_serial_or_all,
        entries=_claim_unknown_type,
        names_inverter=True,
    ),
    FaultKind(
        name="tcp-offline",
        help="how a silent inverter looks over TCP",
        argument=f"one of {', '.join(get_args(Offline))}",
        default="old-values",
        valid=lambda text: text in get_args(Offline),
        entries=_write_offline,
    ),
    FaultKind(
        name="tcp-factory-zone",
        help=f"over TCP the time zone is {_FACTORY_ZONE}, wherever the roof is",
        tcp_info=_claim_factory_zone,
    ),
    FaultKind(
        name="tcp-format-02",
        help="over TCP the system's reply is of format 02, with other offsets",
    ),
    FaultKind(
        name="tcp-short",
        help="replies over TCP end early, after this share of their bytes",
        argument="a share from 0 to 1",
        default="0.7",
        valid=is_number(0, 1),
        frame=_cut,
    ),
    FaultKind(
        name="tcp-wrong-length",
        help="replies over TCP name a length that is wrong by so many bytes",
        argument="bytes such as +5 or -5",
        default="+5",
        valid=is_number(-999, 999),
        frame=_misstate_length,
    ),
    FaultKind(
        name="tcp-stall",
        help="replies over TCP stop after this share of their bytes, and never go on",
        argument="a share from 0 to 1",
        default="0.5",
        valid=is_number(0, 1),
    ),
    FaultKind(name="tcp-refuse", help="connections to the TCP port are refused"),
    FaultKind(name="tcp-reset", help="connections to the TCP port are reset once a command came"),
    FaultKind(name="tcp-hang", help="commands over TCP are taken and never answered"),
    FaultKind(
        name="tcp-slow",
        help="replies over TCP come this much later",
        argument="seconds",
        default="3",
        valid=is_number(0, 600),
    ),
    FaultKind(
        name="tcp-drip",
        help="replies over TCP come byte by byte",
        argument="seconds for each byte",
        default="1",
        valid=is_number(0, 600),
    ),
    FaultKind(
        name="tcp-maintenance",
        help="the TCP port is closed from 02:45 to 03:15 on the ECU's clock",
    ),
    FaultKind(
        name="tcp-fragile",
        help="ten connections to the TCP port in a minute hang it, until it is left alone",
        argument="the seconds for which to leave it alone",
        default="60",
        valid=is_number(0, 3600),
    ),
)
