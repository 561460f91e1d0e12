"""Takes out of an ECU's answers what is nobody else's business, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Mask"]

_ID: Final = re.compile(rb"(?<![0-9])[0-9]{12}(?![0-9])")
_MAC: Final = re.compile(
    rb"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])"
)
_IPV4: Final = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
_SSID: Final = re.compile(
    rb"(SSID[^<>\"=]{0,20}(?:</t[hd]>\s*<t[hd][^>]*>|\"?\s*[:=]\s*\"?)\s*)([^<>\"\r\n]{1,64})",
    re.IGNORECASE,
)
_KEPT_DIGITS: Final = 4
"""The first digits of an id tell what it is, and the rest who has it."""
_TEXTS: Final = (52, 49)
"""Where the two texts of a reply to 0001 can begin, each after its length in three digits."""
_MACS_SIZE: Final = 12
_BCD_ID: Final = re.compile(
    rb"(?:[\x10\x40\x50\x70\x80\x90][\x00-\x09\x10-\x19\x20-\x29\x30-\x39\x40-\x49\x50-\x59\x60-\x69\x70-\x79\x80-\x89\x90-\x99]{5})",
    re.DOTALL,
)
"""What may be an inverter's id, two digits a byte."""


@dataclass(slots=True)
class Mask:
    """Replaces ids, addresses and network names, each always with the same stand-in.

    Lengths stay as they are, wherever a reply counts its bytes: a masked answer reads as the true
    one does, but for the names in it.
    """

    _ids: dict[bytes, bytes] = field(default_factory=dict)
    _macs: dict[bytes, bytes] = field(default_factory=dict)
    _addresses: dict[bytes, bytes] = field(default_factory=dict)
    _ssids: dict[bytes, bytes] = field(default_factory=dict)

    def learn(self, ids: Iterable[str]) -> None:
        """Take ids that must not get out, in the order of their stand-ins."""
        for text in ids:
            self._id(text.encode("ascii"))

    def page(self, content: bytes) -> bytes:
        """Mask a web page."""
        content = _SSID.sub(lambda found: found[1] + self._ssid(found[2]), content)
        content = _MAC.sub(lambda found: self._mac(found[0]), content)
        content = _IPV4.sub(lambda found: self._address(found[0]), content)
        return _ID.sub(lambda found: self._id(found[0]), content)

    def reply(self, content: bytes, *, understood: bool = True) -> bytes:
        """Mask a reply of the TCP interface, where ids stand as text or as two digits a byte.

        Of one that isn't `understood`, whatever may be an id goes, too.
        """
        for known, stand_in in self._ids.items():
            content = content.replace(known, stand_in)
            content = content.replace(_packed(known), _packed(stand_in))
        if not understood:
            content = _BCD_ID.sub(lambda found: _packed(self._id(found[0].hex().encode())), content)
        return _without_macs(content)

    def text(self, text: str) -> str:
        """Mask one line of ours, such as an error that quotes an answer."""
        return self.page(text.encode()).decode()

    def _id(self, text: bytes) -> bytes:
        number = f"{len(self._ids) + 1:08}".encode()
        return self._ids.setdefault(text, text[:_KEPT_DIGITS] + number)

    def _mac(self, text: bytes) -> bytes:
        # 00:00:5E:00:53:xx is kept for documents.
        stand_in = f"00:00:5E:00:53:{len(self._macs) % 256:02X}".encode()
        return self._macs.setdefault(text, stand_in)

    def _address(self, text: bytes) -> bytes:
        return self._addresses.setdefault(
            text, f"192.0.2.{len(self._addresses) % 255 + 1}".encode()
        )

    def _ssid(self, text: bytes) -> bytes:
        return self._ssids.setdefault(text, f"network-{len(self._ssids) + 1}".encode())


def _packed(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))


def _without_macs(reply: bytes) -> bytes:
    """Blank the two hardware addresses at the end of a reply to 0001."""
    if reply[9:13] != b"0001":
        return reply
    for start in _TEXTS:
        after = _after_text(reply, start)
        after = after and _after_text(reply, after)
        if after:
            size = max(min(_MACS_SIZE, len(reply.rstrip(b"\n")) - len(b"END") - after), 0)
            return reply[:after] + bytes(size) + reply[after + size :]
    return reply


def _after_text(reply: bytes, start: int) -> int | None:
    """Give where the text ends that begins with its length at `start`; ``None``: there is none."""
    length = reply[start : start + 3]
    end = start + 3 + (int(length) if re.fullmatch(rb"[0-9]{3}", length) else 0)
    text = reply[start + 3 : end]
    return end if text and re.fullmatch(rb"[ -~]+", text) else None
