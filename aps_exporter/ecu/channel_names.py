"""Keeps a panel's id the same over both interfaces: the pages know how channels are called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from aps_exporter.model import Inverter

__all__ = ["ChannelNames"]


@dataclass(slots=True)
class ChannelNames:
    """Remembers the names of each inverter's channels, in their order."""

    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)

    def learn(self, inverters: Iterable[Inverter]) -> None:
        """Take the names from a page; an inverter that it lists without channels keeps its own."""
        self._known |= {
            inverter.serial: tuple([channel.name for channel in inverter.channels])
            for inverter in inverters
            if inverter.channels
        }

    def give(self, inverters: Iterable[Inverter]) -> tuple[Inverter, ...]:
        """Name the channels of a reply, which has no names, as the pages did.

        An inverter of another number of channels than on the page keeps the names it has.
        """
        return tuple([self._named(inverter) for inverter in inverters])

    def _named(self, inverter: Inverter) -> Inverter:
        own = tuple([channel.name for channel in inverter.channels])
        names = self._known.get(inverter.serial, own)
        if names == own or len(names) != len(own):
            return inverter
        channels = tuple(
            replace(channel, name=name, id=f"{inverter.serial}-{name}" if name else inverter.serial)
            for channel, name in zip(inverter.channels, names, strict=True)
        )
        return replace(inverter, channels=channels)
