"""File + environment + flags → one frozen, validated `Settings`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

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
from aps_exporter.config_problems import dotted, problems_of
from aps_exporter.config_sections import PanelSettings, PVOutputSettings, Seconds, Section, Whole
from aps_exporter.errors import ConfigError

__all__ = [
    "PVOutputSettings",
    "PanelSettings",
    "Settings",
    "default_state_dir",
    "json_schema",
    "load_settings",
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


_KEYS = {
    "": Settings.model_fields,
    "pvoutput": PVOutputSettings.model_fields,
    "panels": PanelSettings.model_fields,
}


def load_settings(file: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Make the settings of a configuration file and of what beats it.

    `overrides` are flags and environment by dotted key, such as ``pvoutput.publish``; ``None`` is
    not given. Raise `ConfigError` with everything that is wrong at once.
    """
    data = read_config_file(file) if file else {}
    duplicates = [(path, "given more than once") for path in duplicate_keys(data)]
    given = {key: value for key, value in overrides.items() if value is not None}
    if file:
        _anchor_paths(data, file.absolute().parent)
    _apply(data, given)
    settings, problems = None, []
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error, _KEYS)
    if settings is None or duplicates:
        raise ConfigError(
            *(
                f"{file}: {dotted(path)}: {text}"
                if file and dotted(path) not in given
                else f"{dotted(path)}: {text}"
                for path, text in (*duplicates, *problems)
            )
        )
    return settings


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


def json_schema() -> dict[str, object]:
    """Describe the configuration file to editors, as JSON schema."""
    schema = Settings.model_json_schema()
    schema["properties"]["$schema"] = {"type": "string", "description": "where this schema is"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Name the folder for state: systemd's for the service, else the user's."""
    if service := environ.get("STATE_DIRECTORY"):
        return Path(service.split(":", 1)[0])  # systemd lists several with colons
    user = Path(environ.get("XDG_STATE_HOME", ""))
    if not user.is_absolute():
        user = Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111 - never raises
    # A user without a home folder is a service in a container.
    return (user if user.is_absolute() else Path("/var/lib")) / "aps-exporter"


def _anchor_paths(data: dict[str, object], folder: Path) -> None:
    """Make paths in a file relative to the file's own folder, wherever the program runs."""
    section = data.get("pvoutput")
    for holder, key in ((data, "state_dir"), (section, "api_key_file")):
        if isinstance(holder, dict) and isinstance(holder.get(key), str):
            holder[key] = folder / os.path.expanduser(holder[key])  # noqa: PTH111 - never raises


def _apply(data: dict[str, object], overrides: Mapping[str, object]) -> None:
    """Lay flags and environment over the file's keys."""
    for key, value in overrides.items():
        section, dot, name = key.rpartition(".")
        holder = data.setdefault(section, {}) if dot else data
        if holder is None:
            holder = data[section] = {}
        if isinstance(holder, dict):
            holder[name] = value
            other = {"api_key": "api_key_file", "api_key_file": "api_key"}.get(name)
            if other and f"{section}.{other}" not in overrides:
                holder.pop(other, None)
