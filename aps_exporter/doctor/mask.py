"""Takes out of an ECU's answers what is nobody else's business, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Mask"]

_ID: Final = re.compile(rb"(?<![0-9])[0-9]{12}(?![0-9])")
_LONG_ID: Final = re.compile(rb"(?<![0-9])[0-9]{12}(?=[0-9])")
"""An id that other digits follow, as they do where a message quotes a reply."""
_MAC: Final = re.compile(
    rb"(?<![0-9A-Za-z:-])(?:(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    rb"|(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{12})(?![0-9A-Za-z:-])"
)
_IPV6_HOST: Final = re.compile(rb"(?<=//)\[[0-9A-Fa-f:.]+\]")
_IPV4: Final = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
_SSID: Final = re.compile(
    rb"(SSID[^<>\"=]{0,20}(?:</t[hd]>\s*<t[hd][^>]*>|\"?\s*[:=]\s*\"?)\s*)([^<>\"\r\n]{1,64})",
    re.IGNORECASE,
)
_KEPT_DIGITS: Final = 4
"""The first digits of an id tell what it is, and the rest who has it."""
_TEXTS: Final = (52, 49)
"""Where the two texts of a reply to 0001 can begin, each after its length in three digits."""
_HEADS: Final = {b"0002": 26, b"0030": 15}
"""Command → how many bytes of the reply stand before the first inverter."""
_HEAD_SIZE: Final = 13
"""The same of any other reply."""
_ENTRY_SIZE: Final = 7
"""Bytes of an inverter in the reply to 0030: its id, and its signal's strength."""
_MACS_SIZE: Final = 12
_TOTALS_END: Final = 39
"""Where the numbers that we know end in a reply to 0001."""
_DIGITS: Final = b"".join(b"\\x%x0-\\x%x9" % (tens, tens) for tens in range(10))
_BCD_ID: Final = rb"[\x10\x21\x30\x40\x50\x60\x70\x80\x90][%b]{5}" % _DIGITS
_MAYBE_ID: Final = re.compile(_BCD_ID, re.DOTALL)
"""What may be an id, two digits a byte."""
_RECORD_ID: Final = re.compile(rb"(?=(%b)[\x00\x01][0-9A-Za-z]{2})" % _BCD_ID, re.DOTALL)
"""What is one, by whether it is online and by the type behind it."""
_HEX_ID: Final = re.compile(rb"[0-9a-f]{12}")
_NO_TEXT: Final = re.compile(rb"(?<![ -~])[ -~]{1,5}(?![ -~])|[^ -~]+", re.DOTALL)
"""All but texts of six letters or more."""


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
    _host: re.Pattern[bytes] | None = None

    def learn(self, ids: Iterable[str]) -> None:
        """Take ids that must not get out, in the order of their stand-ins."""
        for text in ids:
            self._id(text.encode())

    def learn_host(self, host: str) -> None:
        """Take the name by which the ECU was asked, which its links may repeat."""
        name = host.partition(":")[0].encode()
        if name and not name.startswith(b"[") and not _IPV4.fullmatch(name):
            self._host = re.compile(rb"(?<=//)%b(?![0-9A-Za-z.-])" % re.escape(name))

    def page(self, content: bytes) -> bytes:
        """Mask a web page."""
        if self._host:
            content = self._host.sub(b"ecu.example", content)
        content = _IPV6_HOST.sub(b"[2001:db8::1]", content)
        content = _SSID.sub(lambda found: found[1] + self._ssid(found[2]), content)
        content = _MAC.sub(lambda found: self._mac(found[0]), content)
        content = _IPV4.sub(lambda found: self._address(found[0]), content)
        content = _ID.sub(lambda found: self._id(found[0]), content)
        for known, stand_in in self._ids.items():
            if not _ID.fullmatch(known):  # examples have such
                content = content.replace(known, stand_in)
        return content

    def reply(self, content: bytes, doubt_from: int | None = None) -> bytes:
        """Mask a reply of the TCP interface, where ids stand as text or as two digits a byte.

        From byte `doubt_from` on, which isn't understood, whatever may be an id goes, too.
        """
        size = _HEADS.get(content[9:_HEAD_SIZE], _HEAD_SIZE)
        head, body = content[:size], content[size:]
        self._learn_from(head, body, doubtful=doubt_from is not None)
        stand_ins = dict(self._ids)
        stand_ins |= {_packed(k): _packed(s) for k, s in self._ids.items() if _HEX_ID.fullmatch(k)}
        known = b"|".join(re.escape(each) for each in stand_ins)
        masked = head
        for part in re.split(b"(%b)" % known, body, flags=re.DOTALL) if known else [body]:
            if part in stand_ins:
                masked += stand_ins[part]
            elif doubt_from is None:
                masked += part
            else:
                cut = max(doubt_from - len(masked), 0)
                masked += part[:cut] + _MAYBE_ID.sub(self._packed_id, part[cut:])
        return _without_macs(masked)

    def _learn_from(self, head: bytes, body: bytes, *, doubtful: bool) -> None:
        """Take the ids of a reply that no reading tells."""
        if head.endswith(b"0001") and (found := re.match(rb"[0-9]{12}", body)):
            self._id(found[0])
        if doubtful:
            for record in _RECORD_ID.finditer(body):
                self._id(record[1].hex().encode())
        elif head[9:_HEAD_SIZE] == b"0030":
            for start in range(0, len(body) - _ENTRY_SIZE, _ENTRY_SIZE):
                self._id(body[start : start + 6].hex().encode())

    def text(self, text: str) -> str:
        """Mask one line of ours, such as an error that quotes an answer."""
        content = _LONG_ID.sub(lambda found: self._id(found[0]), text.encode())
        return self.page(content).decode()

    def _id(self, text: bytes) -> bytes:
        number = f"{len(self._ids) + 1:08}".encode()
        return self._ids.setdefault(text, text[:_KEPT_DIGITS] + number)

    def _packed_id(self, found: re.Match[bytes]) -> bytes:
        return _packed(self._id(found[0].hex().encode()))

    def _mac(self, text: bytes) -> bytes:
        # 00:00:5E:00:53:xx is kept for documents.
        separator = text[2:3] if text[2:3] in b":-" else b""
        stand_in = [*(b"00", b"00", b"5E", b"00", b"53"), b"%02X" % (len(self._macs) % 256)]
        plain = re.sub(rb"[:-]", b"", text).upper()
        number = self._macs.setdefault(plain, stand_in[-1])
        return separator.join([*stand_in[:-1], number])

    def _address(self, text: bytes) -> bytes:
        return self._addresses.setdefault(
            text, f"192.0.2.{len(self._addresses) % 255 + 1}".encode()
        )

    def _ssid(self, text: bytes) -> bytes:
        return self._ssids.setdefault(text, f"network-{len(self._ssids) + 1}".encode())


def _packed(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))


def _without_macs(reply: bytes) -> bytes:
    """Blank the two hardware addresses at the end of a reply to 0001, wherever they may be."""
    if reply[9:_HEAD_SIZE] != b"0001":
        return reply
    end = len(reply.rstrip(b"\n").removesuffix(b"END"))
    for start in _TEXTS:
        after = _after_text(reply, start)
        after = after and _after_text(reply, after)
        if after:
            size = max(min(_MACS_SIZE, end - after), 0)
            return reply[:after] + bytes(size) + reply[after + size :]
    rest = _NO_TEXT.sub(lambda found: bytes(len(found[0])), reply[_TOTALS_END:end])
    return reply[:_TOTALS_END] + rest + reply[end:]


def _after_text(reply: bytes, start: int) -> int | None:
    """Give where the text ends that begins with its length at `start`; ``None``: there is none."""
    length = reply[start : start + 3]
    if not re.fullmatch(rb"[0-9]{3}", length):
        return None
    end = start + 3 + int(length)
    text = reply[start + 3 : end]
    return end if re.fullmatch(rb"[ -~]{%d}" % int(length), text) else None
