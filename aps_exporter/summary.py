"""Reading + who should be there → totals, averages, estimate, and who is missing, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aps_exporter.model import Channel, Inverter, Reading
from aps_exporter.roster.members import Members, given_name
from aps_exporter.roster.memory import Memory
from aps_exporter.roster.states import State, States

__all__ = ["Panel", "PanelName", "Roster", "Summary", "split_panel_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelName:
    """What the owner calls a panel."""

    name: str = ""
    """Empty: as it was renamed, else its id."""
    group: str = ""
    row: int | None = None
    """Where it lies on the roof, counted from 1 at the top; ``None``: not said."""
    column: int | None = None
    """Counted from 1 at the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel of the roster, with what it says now."""

    id: str
    inverter: str
    channel: str
    name: str
    group: str
    row: int | None = None
    column: int | None = None
    power_w: float | None = None
    """``None`` unless the panel is online."""
    dc_voltage_v: float | None = None

    @property
    def online(self) -> bool:
        """Say whether this reading has a power for the panel that is about now."""
        return self.power_w is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A reading held against who should be there.

    Sums and means are over online panels only; each panel carries its inverter's volts, hertz and
    degrees, so an inverter with four panels weighs four times.
    """

    reading: Reading
    panels: tuple[Panel, ...]
    """The roster: panels of the page in its order, then those that the page lacks.

    Unused inputs, and what is retired and makes no power, are left out as if they didn't exist.
    """
    inverters: Mapping[str, Inverter | None]
    """The roster's inverters, without retired ones; ``None`` for one that the page lacks."""
    expected_count: int | None
    """As configured, less unused inputs if those were counted; ``None`` if not configured."""
    power_w: float | None
    power_estimated_w: float | None
    """Scaled for missing panels where that applies, else the same as `power_w`."""
    scaled: bool
    grid_voltage_v: float | None
    grid_frequency_hz: float | None
    temperature_c: float | None
    panel_states: Mapping[str, State] = field(default_factory=dict)
    """The state of every panel that was ever seen, also of those left out."""
    inverter_states: Mapping[str, State] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """Count the panels that are online."""
        return sum(panel.online for panel in self.panels)

    @property
    def expected(self) -> int:
        """Count the panels that should be there: as configured, else the roster."""
        return len(self.panels) if self.expected_count is None else self.expected_count

    @property
    def missing(self) -> int:
        """Count the panels that should be there and are not, never below 0."""
        return max(self.expected - self.received, 0)

    @property
    def missing_ids(self) -> tuple[str, ...]:
        """Name the roster's panels that are not online."""
        return tuple(panel.id for panel in self.panels if not panel.online)

    @property
    def inverters_online(self) -> int:
        """Count the inverters that reported in this reading."""
        return sum(inverter is not None and inverter.online for inverter in self.inverters.values())


@dataclass(slots=True)
class Roster:
    """Who should be there: the panels of the configuration and all that were ever seen."""

    expected_count: int | None = None
    scale_missing: bool = False
    names: Mapping[str, PanelName] = field(default_factory=dict)
    """Panel id → name and group; these panels belong to the roster even if never seen."""
    memory: Memory = field(default_factory=Memory)
    """Knows whom earlier readings showed; one with a file wants to be closed."""

    def summarize(self, reading: Reading) -> Summary:
        """Hold a reading against the roster, and remember whom it shows."""
        members = self.memory.observe(reading)
        states = States(members=members, now=reading.read_at, listed=self.names)
        present = {inverter.serial: inverter for inverter in reading.inverters}
        everyone = self._everyone(reading, members)
        serials = dict.fromkeys((*present, *(member.inverter for member in members.values())))
        serials |= dict.fromkeys(panel.inverter for panel in everyone)
        panel_states = {p.id: states.panel(p.id, p.inverter, power_w=p.power_w) for p in everyone}
        inverter_states = {
            serial: states.inverter(serial, online=serial in present and present[serial].online)
            for serial in serials
        }
        panels = tuple(p for p in everyone if panel_states[p.id] not in ("retired", "unused"))
        by_panel = {c.id: inverter for inverter in reading.inverters for c in inverter.channels}
        online = [by_panel[panel.id] for panel in panels if panel.online]
        power_w = sum(p.power_w for p in panels if p.power_w is not None) if online else None
        unused = sum(state == "unused" for state in panel_states.values())
        expected_count = self._expected(len(panels), unused)
        estimate = self._estimate(power_w, len(online), expected_count)
        return Summary(
            reading=reading,
            panels=panels,
            inverters={s: present.get(s) for s in serials if inverter_states[s] != "retired"},
            expected_count=expected_count,
            power_w=power_w,
            power_estimated_w=power_w if estimate is None else estimate,
            scaled=estimate is not None,
            grid_voltage_v=_mean(_mean(v.to_neutral_v for v in i.grid_voltages) for i in online),
            grid_frequency_hz=_mean(inverter.grid_frequency_hz for inverter in online),
            temperature_c=_mean(inverter.temperature_c for inverter in online),
            panel_states=panel_states,
            inverter_states=inverter_states,
        )

    def _everyone(self, reading: Reading, members: Members) -> list[Panel]:
        """Give all panels: first those of the page, then the remembered, then the listed ones."""
        on_page = {
            channel.id: (inverter, channel)
            for inverter in reading.inverters
            for channel in inverter.channels
        }
        remembered = (member.id for member in members.values() if member.kind == "panel")
        ids = dict.fromkeys((*on_page, *remembered, *self.names))
        panels = [self._panel(panel_id, on_page.get(panel_id), members) for panel_id in ids]
        # Once an inverter has shown its inputs, its bare id is no panel's any more.
        split = {panel.inverter for panel in panels if panel.channel}
        return [p for p in panels if p.channel or p.id in on_page or p.id not in split]

    def _panel(
        self, panel_id: str, found: tuple[Inverter, Channel] | None, members: Members
    ) -> Panel:
        serial, channel_name = split_panel_id(panel_id)
        named = self.names.get(panel_id)
        current = found[1] if found and not found[0].stale else None
        return Panel(
            id=panel_id,
            inverter=serial,
            channel=channel_name,
            name=(named and named.name) or given_name(members, panel_id, serial),
            group=named.group if named else "",
            row=named.row if named else None,
            column=named.column if named else None,
            power_w=current.power_w if current else None,
            dc_voltage_v=current.dc_voltage_v if current else None,
        )

    def _expected(self, used: int, unused: int) -> int | None:
        """Give the configured count less the inputs without a panel, if it counts them too.

        Some people count their panels, others the rows of the page, which has a row for each input.
        """
        count = self.expected_count
        if count is None or count <= used:
            return count
        return max(used, count - unused)

    def _estimate(
        self, power_w: float | None, received: int, expected_count: int | None
    ) -> float | None:
        """Scale the sum to all expected panels; ``None`` where scaling doesn't apply."""
        if not self.scale_missing or power_w is None or expected_count is None:
            return None
        if expected_count <= received:
            return None
        return float(round(power_w / received * expected_count))


def split_panel_id(panel_id: str) -> tuple[str, str]:
    """Split ``408000012345-A`` into the inverter's serial and the channel's name.

    The channel is the one letter or digit after the last dash; an id without one is an inverter
    with a single input (YC250), whose channel has no name.
    """
    serial, dash, channel = panel_id.rpartition("-")
    return (serial, channel) if dash and len(channel) == 1 else (panel_id, "")


def _mean(values: Iterable[float | None]) -> float | None:
    """Average the values that are known."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None
