"""Replies of the TCP service, written for the tests by hand and by the rules of the protocol."""

from __future__ import annotations

import struct

TIME = "20260621123000"
ECU_ID = "216000012345"


def frame(command: str, body: bytes, group: str = "11") -> bytes:
    """Write a whole reply: header with its length, body, ``END``, line feed."""
    return f"APS{group}{len(body) + 16:04}{command}".encode() + body + b"END\n"


def record(serial: str, type_: str, *numbers: int, online: int = 1) -> bytes:
    """Write an inverter's record."""
    return struct.pack(
        f">6sB2s{len(numbers)}H", bytes.fromhex(serial), online, type_.encode(), *numbers
    )


def inverters(*records: bytes, count: int | None = None, time: str = TIME) -> bytes:
    """Write a reply to 0002."""
    many = len(records) if count is None else count
    head = b"0001" + many.to_bytes(2) + bytes.fromhex(time)
    return frame("0002", head + b"".join(records))


def system(  # noqa: PLR0913  # a reply has so many fields
    *,
    ecu_id: str = ECU_ID,
    model: str = "01",
    lifetime: int = 123456,
    power: int = 1234,
    today: int = 567,
    counts: tuple[int, int] = (4, 3),
    firmware: str = "ECU_R_PRO_2.1.27",
    timezone: str = "Europe/Amsterdam",
) -> bytes:
    """Write a reply to 0001."""
    contact = bytes.fromhex(TIME) if model == "01" else b""
    gap = b"10" if model == "01" else b"\0" * 6
    zone = f"{len(timezone):03}{timezone}" if timezone else ""
    return frame(
        "0001",
        f"{ecu_id}{model}".encode()
        + struct.pack(">III", lifetime, power, today)
        + contact
        + struct.pack(">HH", *counts)
        + gap
        + f"{len(firmware):03}{firmware}{zone}".encode()
        + bytes.fromhex("80971b000001"),
    )


def signals(levels: dict[str, int]) -> bytes:
    """Write a reply to 0030."""
    entries = b"".join(bytes.fromhex(serial) + bytes([level]) for serial, level in levels.items())
    return frame("0030", b"00" + entries)


def curve(points: dict[str, int]) -> bytes:
    """Write a reply to 0003, from times such as ``1230``."""
    entries = b"".join(bytes.fromhex(at) + watts.to_bytes(2) for at, watts in points.items())
    return frame("0003", b"00" + entries, group="12")
