"""The list `ecus` of a configuration file → the settings of each ECU, or all that is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from aps_exporter import config_checks as checks
from aps_exporter.config import (
    OTHER_KEY,
    PVOutputSettings,
    Settings,
    Source,
    default_state_dir,
    validate,
)
from aps_exporter.config_problems import Problem, dotted
from aps_exporter.errors import TargetError
from aps_exporter.targets import parse_target

__all__ = ["FLEET_KEYS", "EcuSettings", "Name", "address_of", "check_part", "entries_of"]

FLEET_KEYS: Final = ("ecus", "modules", "allowed_targets", "allowed_ports")
"""The keys of a file that are about more than one ECU."""
NO_DEFAULT: Final = ("host", "panels")
"""Keys that are about one ECU and no other."""


def _name(text: str) -> str:
    # It becomes a folder, too.
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text) or not text.strip("."):
        raise ValueError("must be a name of letters, digits, dots, _ and -")
    return text


Name = Annotated[str, AfterValidator(_name)]


class EcuSettings(Settings):
    """One of several ECUs."""

    name: Name = Field(description="what it is asked by: /probe?target=NAME")
    labels: Mapping[
        Annotated[str, AfterValidator(checks.label_name)],
        Annotated[str, AfterValidator(checks.label_value), BeforeValidator(checks.number_as_text)],
    ] = Field(default_factory=dict, description="labels of its series, such as site or customer")


def address_of(host: str) -> str:
    """Write an ECU's address in the one way that tells it from others."""
    try:
        return str(parse_target(host.removesuffix(".")))
    except TargetError:  # its owner may write more than a stranger
        return host.casefold()


def entries_of(source: Source, entries: object) -> tuple[list[EcuSettings], list[Problem]]:
    """Check each entry with the file's other keys as its defaults, then all of them together."""
    problems: list[Problem] = [
        ((key,), "belongs to each of the ecus") for key in NO_DEFAULT if key in source.data
    ]
    defaults, wrong = check_part({k: v for k, v in source.data.items() if k not in NO_DEFAULT})
    problems += wrong
    told = {dotted(path) for path, _ in wrong}
    source = replace(source, given={k: v for k, v in source.given.items() if k not in told})
    if not isinstance(entries, list):
        return [], [*problems, (("ecus",), "must be a list, in brackets")]
    _share_account(defaults)
    folder = Path(os.path.expanduser(str(defaults.pop("state_dir", default_state_dir(os.environ)))))  # noqa: PTH111 - never raises
    ecus: dict[int, EcuSettings] = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            problems.append((("ecus", str(index)), "must be an object, in braces"))
            continue
        source.anchor(entry)
        settings, wrong = validate(EcuSettings, _merged(source, defaults, entry, folder))
        if settings is not None:
            ecus[index] = settings
        problems += [(("ecus", str(index), *path), text) for path, text in wrong]
    return [*ecus.values()], [*problems, *_clashes(ecus)]


def check_part(keys: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """Check keys that are not all that an ECU needs; gives those that are fine."""
    fine = {
        key: dict(value) if isinstance(value, dict) else value
        for key, value in keys.items()
        if value is not None
    }
    _, problems = validate(Settings, {"host": "ecu", **fine}, FLEET_KEYS)
    # What is missing here may stand at each ECU.
    return fine, [(path, text) for path, text in problems if _drop(fine, path)]


def _drop(keys: dict[str, object], path: tuple[str, ...]) -> bool:
    """Take a key out; false if it isn't there."""
    name, *rest = path
    value = keys.get(name)
    if rest and isinstance(value, dict):
        return _drop(value, tuple(rest))
    return keys.pop(name, None) is not None


def _share_account(defaults: dict[str, object]) -> None:
    """Let all ECUs without an account of their own have the same object, if it is whole."""
    try:
        defaults["pvoutput"] = PVOutputSettings.model_validate(defaults.get("pvoutput", {}))
    except ValidationError:  # such as for a key or an id, which each ECU has to bring
        return


def _merged(
    source: Source, defaults: dict[str, object], entry: dict[str, object], folder: Path
) -> dict[str, object]:
    """Lay an entry over the defaults, and flags over that; each ECU has a folder of its own."""
    own = {key: value for key, value in entry.items() if value is not None}
    merged = {**defaults, **own}
    account, common = own.get("pvoutput"), source.data.get("pvoutput")
    if isinstance(account, dict):
        common = dict(common) if isinstance(common, dict) else {}
        for key in account.keys() & OTHER_KEY.keys():
            common.pop(OTHER_KEY[key], None)
        merged["pvoutput"] = {**common, **account}
    source.override(merged)
    if "state_dir" not in own or "state_dir" in source.given:
        merged["state_dir"] = folder / str(own.get("name"))
    return merged


def _clashes(ecus: Mapping[int, EcuSettings]) -> Iterator[Problem]:
    """Find ECUs that can't be told apart, or would write to the same system."""
    names = {ecu.name: index for index, ecu in reversed([*ecus.items()])}
    addresses = {address_of(ecu.host): index for index, ecu in reversed([*ecus.items()])}
    for index, ecu in ecus.items():
        at = ("ecus", str(index))
        if (first := names[ecu.name]) != index:
            yield (*at, "name"), f"is the name of ecus.{first} already"
        elif addresses.get(address_of(ecu.name), index) != index:
            yield (*at, "name"), f"is the host of ecus.{addresses[address_of(ecu.name)]}"
        if (first := addresses[address_of(ecu.host)]) != index:
            yield (*at, "host"), f"is the host of ecus.{first} already"
    yield from _shared_systems(ecus.items())


def _shared_systems(ecus: Iterable[tuple[int, EcuSettings]]) -> Iterator[Problem]:
    systems: dict[str | None, int] = {}
    for index, ecu in ecus:
        if ecu.pvoutput.publish:
            first = systems.setdefault(ecu.pvoutput.system_id, index)
            if first != index:
                path = ("ecus", str(index), "pvoutput", "system_id")
                yield path, f"is the system of ecus.{first} already"
