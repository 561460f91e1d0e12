"""`aps-exporter roster`: show and correct who should be there."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from aps_exporter.assembly import roster_key
from aps_exporter.commands.options import ecu_option, make_settings
from aps_exporter.config import Settings
from aps_exporter.errors import ConfigError
from aps_exporter.roster.members import Member, Members, given_name
from aps_exporter.roster.states import State, States
from aps_exporter.roster.table import load, rename, retire, roster_file
from aps_exporter.state import StateFile
from aps_exporter.summary import split_panel_id

_Function = TypeVar("_Function", bound=Callable[..., Any])

TITLES: Final = ("ID", "NAME", "GROUP", "STATE", "FIRST SEEN", "LAST SEEN")
DUSK: Final = timedelta(hours=1)
"""At the end of a day inverters fall asleep one by one, and none of them is missing for that."""
LONGEST_NAME: Final = 80
PATIENCE_S: Final = 5.0


def roster_options(function: _Function) -> _Function:
    """Add the options that say which roster."""
    for option in (
        click.option(
            "--state-dir", type=click.Path(path_type=Path), help="Folder of state.sqlite3"
        ),
        ecu_option,
        click.option("--host", help="The ECU, written as for serve: each has its own roster"),
        click.option("--config", type=click.Path(path_type=Path), help="Configuration file (JSON)"),
    ):
        function = option(function)
    return function


@click.group("roster")
def command() -> None:
    """Show and correct who should be there.

    An exporter that runs takes up what is changed here at its next scrape.

    \b
    Example:
        aps-exporter roster list --config config.json
        aps-exporter roster retire 408000012345 --config config.json
    """


@command.command("list")
@roster_options
def list_command(**options: object) -> None:
    """List inverters and panels, in which state they are, and when they were seen.

    \b
    expected         it reports
    new              it reports, and joined this week
    missing          silent for an hour or more when others last reported
    never contacted  it never did report
    unused           an input that made nothing in a week of production
    retired          taken off here, and not missed

    \b
    Example:
        aps-exporter roster list --config config.json
    """
    settings = _settings(options)
    with _stored(settings) as (_, members):
        rows = sorted(_rows(settings, members, datetime.now(UTC)))
    if not rows:
        click.echo(
            f"Nobody is known at {settings.host} yet; serve and read remember whom they see."
        )
        return
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]
    for row in (TITLES, *rows):
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@command.command("retire")
@click.argument("member_id", metavar="SERIAL|PANEL")
@click.option("--undo", is_flag=True, help="Expect it again")
@roster_options
def retire_command(*, member_id: str, undo: bool, **options: object) -> None:
    """Stop missing an inverter with its panels, or one panel.

    Should it make power again, it counts as long as it does.

    \b
    Example:
        aps-exporter roster retire 408000012345 --config config.json
    """
    settings = _settings(options)
    with _stored(settings) as (file, members):
        _require(members, member_id)
        retire(file, roster_key(settings), member_id, None if undo else datetime.now(UTC))
    click.echo(f"{member_id} is expected again." if undo else f"{member_id} is retired.")
    if settings.expected_count:
        click.echo(f"expected_count in the configuration stays {settings.expected_count}.")


@command.command("rename")
@click.argument("member_id", metavar="ID")
@click.argument("name")
@roster_options
def rename_command(*, member_id: str, name: str, **options: object) -> None:
    """Name a panel, or an inverter and so its panels; an empty name undoes it.

    \b
    Example:
        aps-exporter roster rename 408000012345 Garage --config config.json
    """
    settings = _settings(options)
    name = name.strip()
    if not name.isprintable() or len(name) > LONGEST_NAME:
        message = f"a name has up to {LONGEST_NAME} characters, and all of them can be seen"
        raise ConfigError(message)
    if member_id in settings.panels and settings.panels[member_id].name:
        message = f"{member_id}: its name is in the configuration, which has the last word"
        raise ConfigError(message)
    with _stored(settings) as (file, members):
        _require(members, member_id)
        rename(file, roster_key(settings), member_id, name)
    click.echo(f"{member_id} is called {name or member_id}.")


def _settings(options: Mapping[str, object]) -> Settings:
    """Make the settings; what publishing would need is of no concern here."""
    return make_settings({**options, "pvoutput.publish": False})


@contextmanager
def _stored(settings: Settings) -> Iterator[tuple[StateFile, Members]]:
    """Give the file and who is stored in it; what goes wrong with it becomes one line."""
    file = roster_file(settings.state_dir)
    try:
        yield file, load(file, roster_key(settings), patience_s=PATIENCE_S)
    except (sqlite3.Error, OSError) as error:
        message = f"{file.path}: {error}"
        raise ConfigError(message) from error


def _require(members: Members, member_id: str) -> None:
    ids = {member.id for member in members.values()}
    if member_id not in ids:
        close = difflib.get_close_matches(member_id, ids, n=1)
        hint = f"did you mean {close[0]}?" if close else "see aps-exporter roster list"
        message = f"{member_id}: no inverter or panel that was ever seen; {hint}"
        raise ConfigError(message)


def _rows(settings: Settings, members: Members, now: datetime) -> Iterator[tuple[str, ...]]:
    """Give a row of text for each member, and for each panel of the configuration."""
    states = States(members=members, now=now, listed=settings.panels)
    newest = max((m.last_seen for m in members.values() if m.last_seen), default=now)
    for member in members.values():
        online = member.last_seen is not None and newest - member.last_seen <= DUSK
        if member.kind == "panel":
            state = states.panel(member.id, member.inverter, power_w=0.0 if online else None)
            name = given_name(members, member.id, member.inverter)
            yield _row(settings, member.id, name.removeprefix(member.id), state, member)
        elif ("panel", member.id) not in members:  # as it is where inverter and panel are one
            state = states.inverter(member.id, online=online and not member.retired_at)
            yield _row(settings, member.id, member.name, state, member)
    for panel_id in settings.panels:
        if ("panel", panel_id) not in members:
            serial, _ = split_panel_id(panel_id)
            state = states.panel(panel_id, serial, power_w=None)
            yield _row(settings, panel_id, "", state, None)


def _row(
    settings: Settings, member_id: str, name: str, state: State, member: Member | None
) -> tuple[str, ...]:
    listed = settings.panels.get(member_id)
    return (
        member_id,
        (listed and listed.name) or name,
        listed.group if listed else "",
        state.replace("_", " "),
        _local(member.first_seen if member else None),
        _local(member.last_seen if member else None),
    )


def _local(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else "never"
