"""File + environment + flags → one frozen, validated `Settings`."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from aps_exporter import config_checks as checks
from aps_exporter.config_file import duplicate_keys, read_config_file
from aps_exporter.config_problems import Problem, dotted, problems_of
from aps_exporter.config_sections import PanelSettings, PVOutputSettings, Seconds, Section, Whole
from aps_exporter.errors import ConfigError

__all__ = [
    "OTHER_KEY",
    "PVOutputSettings",
    "PanelSettings",
    "Settings",
    "Source",
    "default_state_dir",
    "load_settings",
    "validate",
    "warnings_of",
]

Latitude = Annotated[float, Field(ge=-90, le=90), BeforeValidator(checks.not_a_boolean)]
Longitude = Annotated[float, Field(ge=-180, le=180), BeforeValidator(checks.not_a_boolean)]
Port = Annotated[int, Field(ge=1, le=65_535), BeforeValidator(checks.not_a_boolean)]


class Settings(Section):
    """Everything that one ECU's exporter has to know."""

    host: Annotated[str, AfterValidator(checks.host)] = Field(
        description="the ECU: address or name, with :port where it isn't 80"
    )
    path: Annotated[str, AfterValidator(checks.path)] | None = Field(
        default=None, description="the page with the inverters; default: found by itself"
    )
    interface: Literal["auto", "web", "tcp"] = Field(
        default="auto",
        description="web pages or TCP port 8899; auto: the pages, and TCP when they are gone",
    )
    tcp_port: Port = Field(default=8899, description="the ECU's port for its TCP interface")
    # Stands before `expected_count`, whose check needs it.
    scale_missing: bool = Field(
        default=False, description="estimate the total when panels are missing"
    )
    expected_count: Whole | None = Field(
        default=None, validate_default=True, description="how many panels should report"
    )
    timezone: Annotated[str, AfterValidator(checks.timezone)] | None = Field(
        default=None,
        description="the ECU's time zone, such as Europe/Amsterdam; default: as it says",
    )
    timeout: Seconds = Field(
        default=5.0,
        ge=0.5,
        le=60,
        allow_inf_nan=False,
        description="seconds that a whole poll may take",
    )
    max_age: Seconds = Field(
        default=10.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="seconds that a reading is shared; 0: overlapping only",
    )
    stale_after: Seconds = Field(
        default=1800.0,
        ge=60,
        le=86_400,
        allow_inf_nan=False,
        description="seconds after which a report isn't about now",
    )
    panels: Mapping[Annotated[str, AfterValidator(checks.panel_id)], PanelSettings] = Field(
        default_factory=dict, description="names and groups by panel id"
    )
    pvoutput: PVOutputSettings = Field(
        default_factory=PVOutputSettings, description="what goes to PVOutput.org"
    )
    # Stands before `longitude`, whose check needs it.
    latitude: Latitude | None = Field(default=None, description="of the roof, in degrees north")
    longitude: Longitude | None = Field(
        default=None, validate_default=True, description="of the roof, in degrees east"
    )
    state_dir: Path = Field(
        default_factory=lambda: default_state_dir(os.environ),
        description="folder of state.sqlite3; default: the service's or the user's state folder",
    )

    @property
    def base_url(self) -> str:
        """The ECU's web site, without a slash at the end."""
        return f"http://{self.host}"

    @field_validator("expected_count")
    @classmethod
    def _enough_to_scale(cls, count: int | None, info: ValidationInfo) -> int | None:
        """Demand a number to scale to; 0 is the original's way to say that there is none."""
        if info.data.get("scale_missing") and not count:
            raise ValueError("must be at least 1 when scale_missing is true")
        return count or None

    @field_validator("longitude")
    @classmethod
    def _both_or_none(cls, longitude: float | None, info: ValidationInfo) -> float | None:
        """Take a place whole or not at all; a latitude that is wrong has been told already."""
        if "latitude" in info.data and (longitude is None) != (info.data["latitude"] is None):
            raise ValueError("latitude and longitude belong together: give both or none")
        return longitude

    @field_validator("state_dir")
    @classmethod
    def _expand_home(cls, folder: Path) -> Path:
        if not str(folder).isprintable():
            raise ValueError("must be a path without control characters")
        return Path(os.path.expanduser(folder))  # noqa: PTH111 - never raises, unlike Path's


AnySettings = TypeVar("AnySettings", bound=Settings)

_SECTIONS = {"pvoutput": PVOutputSettings.model_fields, "panels": PanelSettings.model_fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file, and the flags and environment that beat it, say: nothing of it checked yet."""

    file: Path | None
    data: dict[str, object]
    """The file's keys."""
    given: dict[str, object]
    """Flags and environment by dotted key, such as ``pvoutput.publish``."""
    duplicates: tuple[Problem, ...]

    @classmethod
    def read(cls, file: Path | None, overrides: Mapping[str, object]) -> Self:
        """Read the file; an override that is ``None`` is not given. Raises `ConfigError`."""
        data = read_config_file(file) if file else {}
        return cls(
            file=file,
            data=data,
            given={key: value for key, value in overrides.items() if value is not None},
            duplicates=tuple((path, "given more than once") for path in duplicate_keys(data)),
        )

    def anchor(self, data: dict[str, object]) -> None:
        """Make paths in the file relative to the file's own folder, wherever we run."""
        section = data.get("pvoutput")
        for holder, key in ((data, "state_dir"), (section, "api_key_file")):
            if self.file and isinstance(holder, dict) and isinstance(holder.get(key), str):
                path = os.path.expanduser(holder[key])  # noqa: PTH111 - never raises
                holder[key] = self.file.absolute().parent / path

    def override(self, data: dict[str, object]) -> None:
        """Lay flags and environment over the file's keys."""
        for key, value in self.given.items():
            section, dot, name = key.rpartition(".")
            holder = data.setdefault(section, {}) if dot else data
            if holder is None:
                holder = data[section] = {}
            if isinstance(holder, dict):
                holder[name] = value
                other = OTHER_KEY.get(name)
                if other and f"{section}.{other}" not in self.given:
                    holder.pop(other, None)

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """Say what is wrong, with the file's name where it is the file that says it."""
        return ConfigError(
            *(
                f"{self.file}: {dotted(path)}: {text}"
                if self.file and dotted(path) not in self.given
                else f"{dotted(path)}: {text}"
                for path, text in problems
            )
        )


OTHER_KEY = {"api_key": "api_key_file", "api_key_file": "api_key"}
"""Whoever gives one of them means to replace the other."""


def load_settings(file: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Make the settings of a configuration file of one ECU, and of what beats it.

    `overrides` are flags and environment by dotted key, such as ``pvoutput.publish``; ``None`` is
    not given. Raise `ConfigError` with everything that is wrong at once.
    """
    source = Source.read(file, overrides)
    source.anchor(source.data)
    source.override(source.data)
    settings, problems = validate(Settings, source.data)
    if settings is None or source.duplicates:
        raise source.error((*source.duplicates, *problems))
    return settings


def validate(
    kind: type[AnySettings], data: Mapping[str, object], also: Collection[str] = ()
) -> tuple[AnySettings | None, list[Problem]]:
    """Check keys; `also` are keys that belong beside them, for a guess at what was meant."""
    try:
        return kind.model_validate(data), []
    except ValidationError as error:
        return None, problems_of(error, {"": [*kind.model_fields, *also], **_SECTIONS})


def warnings_of(settings: Settings) -> tuple[str, ...]:
    """Say, each in one line, what works but should not stay so."""
    file = settings.pvoutput.api_key_file
    if not settings.pvoutput.publish or file is None:
        return ()
    try:
        open_to_all = file.stat().st_mode & stat.S_IROTH
    except OSError:  # it was read a moment ago, and what is gone can't be read by others
        return ()
    advice = f"pvoutput.api_key_file: everybody on this machine can read {file}: chmod o= it"
    return (advice,) if open_to_all else ()


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Name the folder for state: systemd's for the service, else the user's."""
    if service := environ.get("STATE_DIRECTORY"):
        return Path(service.split(":", 1)[0])  # systemd lists several with colons
    user = Path(environ.get("XDG_STATE_HOME", ""))
    if not user.is_absolute():
        user = Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111 - never raises
    # A user without a home folder is a service in a container.
    return (user if user.is_absolute() else Path("/var/lib")) / "aps-exporter"
