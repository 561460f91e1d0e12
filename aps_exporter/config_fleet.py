"""Settings for one ECU or for many: `ecus`, modules, and who may be asked beside those listed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from aps_exporter import config_checks as checks
from aps_exporter.config import Settings, Source, validate
from aps_exporter.config_entries import (
    FLEET_KEYS,
    NO_DEFAULT,
    EcuSettings,
    Name,
    check_part,
    entries_of,
)
from aps_exporter.config_problems import Problem, dotted, problems_of
from aps_exporter.config_sections import Section
from aps_exporter.errors import ConfigError, TargetError
from aps_exporter.targets import (
    DEFAULT_PORTS,
    Target,
    TargetPolicy,
    allowed_port,
    allowed_target,
)

__all__ = ["Configuration", "json_schema", "load_configuration"]

NO_MODULE: Final = (*NO_DEFAULT, "pvoutput", "state_dir")
"""Keys that a probe can't change."""
STRANGERS_KEYS: Final = ("interface", "tcp_port", "timeout", "max_age", "stale_after")
"""Keys that suit an ECU of which nothing is known but its address."""
MOST_PROBLEMS: Final = 100


class _Others(Section):
    """The keys about ECUs that the file doesn't list."""

    modules: Mapping[Name, Mapping[str, object]] = Field(
        default_factory=dict, description="named sets of keys for /probe?module=NAME"
    )
    allowed_targets: tuple[Annotated[str, AfterValidator(allowed_target)], ...] | None = Field(
        default=None, description="who else may be probed; default: private addresses"
    )
    allowed_ports: tuple[
        Annotated[int, AfterValidator(allowed_port), BeforeValidator(checks.not_a_boolean)], ...
    ] = Field(default=DEFAULT_PORTS, description="at which ports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that a configuration says."""

    ecus: tuple[EcuSettings, ...]
    single: bool
    """One ECU, without a list."""
    modules: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Keys by module."""
    strangers: Mapping[str, object] = field(default_factory=dict)
    """Keys for an ECU that isn't listed."""
    allowed_targets: tuple[str, ...] | None = None
    allowed_ports: tuple[int, ...] = DEFAULT_PORTS

    @classmethod
    def of(cls, settings: Settings) -> Configuration:
        """Make the configuration of one ECU."""
        return cls(ecus=(_named(settings, settings.host),), single=True)

    def ecu(self, name: str | None) -> EcuSettings:
        """Pick an ECU by its name, which isn't needed where there is one only."""
        if name is None and self.single:
            return self.ecus[0]
        if name is None:
            raise ConfigError(f"the configuration lists {len(self.ecus)} ECUs: say --ecu NAME")
        named = {ecu.name: ecu for ecu in self.ecus}
        if name not in named:
            close = difflib.get_close_matches(name, named, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"--ecu: the configuration lists no ECU of that name{hint}")
        return named[name]

    def policy(self, *, loopback: bool) -> TargetPolicy:
        """Say who may be probed without being listed; `loopback`: this machine, too."""
        return TargetPolicy.of(self.allowed_targets, self.allowed_ports, loopback=loopback)

    def stranger(self, target: Target) -> EcuSettings:
        """Make the settings of an ECU that isn't listed."""
        settings = Settings.model_validate({**self.strangers, "host": str(target)})
        return _named(settings, str(target))

    def with_module(self, ecu: EcuSettings, module: str) -> EcuSettings:
        """Lay a module's keys over an ECU's; raises `TargetError`."""
        if module not in self.modules:
            known = ", ".join(self.modules) or "none"
            raise TargetError(f"module is unknown; configured: {known}", 400)
        own = {key: getattr(ecu, key) for key in ecu.model_fields_set & {*Settings.model_fields}}
        settings, problems = validate(Settings, {**own, **self.modules[module]})
        if settings is None:
            path, text = problems[0]
            raise TargetError(f"module doesn't suit this ECU: {dotted(path)}: {text}", 400)
        return _named(settings, ecu.name, ecu.labels)


def load_configuration(file: Path | None, overrides: Mapping[str, object]) -> Configuration:
    """Make the configuration of a file and of what beats it, as `load_settings` does for one ECU.

    Raise `ConfigError` with everything that is wrong at once.
    """
    source = Source.read(file, overrides)
    data = source.data
    others, problems = _others({key: data.pop(key) for key in FLEET_KEYS[1:] if key in data})
    modules, wrong = _modules(others.modules)
    problems = [*source.duplicates, *problems, *wrong]
    entries = data.pop("ecus", None)
    source.anchor(data)
    source.override(data)
    if entries is None:
        settings, wrong = validate(Settings, data, FLEET_KEYS)
        ecus = [_named(settings, settings.host)] if settings else []
        suits: tuple[str, ...] = STRANGERS_KEYS
    else:
        ecus, wrong = entries_of(source, entries)
        suits = (*STRANGERS_KEYS, "path", "timezone")
    if problems := [*problems, *wrong]:
        raise source.error(_the_first(problems))
    return Configuration(
        ecus=tuple(ecus),
        single=entries is None,
        modules=modules,
        strangers={key: data[key] for key in suits if key in data},
        allowed_targets=others.allowed_targets,
        allowed_ports=others.allowed_ports,
    )


def json_schema() -> dict[str, object]:
    """Describe the configuration file to editors, as JSON schema."""
    schema, others = Settings.model_json_schema(), _Others.model_json_schema()["properties"]
    ecu = EcuSettings.model_json_schema()
    keys = schema["properties"]
    others["modules"]["additionalProperties"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: value for key, value in keys.items() if key not in NO_MODULE},
    }
    schema["$defs"]["EcuSettings"] = {k: v for k, v in ecu.items() if k != "$defs"}
    keys["ecus"] = {
        "type": "array",
        "items": {"$ref": "#/$defs/EcuSettings"},
        "description": "several ECUs; the other keys are their defaults",
    }
    keys |= {**others, "$schema": {"type": "string", "description": "where this schema is"}}
    del schema["required"]
    schema["oneOf"] = [{"required": ["host"]}, {"required": ["ecus"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _named(settings: Settings, name: str, labels: Mapping[str, str] | None = None) -> EcuSettings:
    """Give a name to settings that have been checked; an address will do."""
    given = settings.model_fields_set | {"name"}
    return EcuSettings.model_construct(given, **dict(settings), name=name, labels=labels or {})


def _others(data: dict[str, object]) -> tuple[_Others, list[Problem]]:
    """Check these keys each by itself, so that a mistake in one doesn't hide those in another."""
    others, problems = _Others(), []
    for key, value in data.items():
        try:
            found = _Others.model_validate({key: value})
        except ValidationError as error:
            problems += problems_of(error, {})
        else:
            others = others.model_copy(update={key: getattr(found, key)})
    return others, problems


def _modules(
    modules: Mapping[str, Mapping[str, object]],
) -> tuple[dict[str, Mapping[str, object]], list[Problem]]:
    """Check the modules, as far as that can be without an ECU."""
    checked: dict[str, Mapping[str, object]] = {}
    problems: list[Problem] = []
    for name, keys in modules.items():
        wrong = [((key,), "can't be in a module") for key in NO_MODULE if key in keys]
        checked[name], more = check_part({k: v for k, v in keys.items() if k not in NO_MODULE})
        problems += [(("modules", name, *path), text) for path, text in (*wrong, *more)]
    return checked, problems


def _the_first(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Spare people ten thousand lines."""
    more = len(problems) - MOST_PROBLEMS
    if more <= 0:
        return problems
    return [*problems[:MOST_PROBLEMS], (("ecus",), f"{more} more problems like these")]
