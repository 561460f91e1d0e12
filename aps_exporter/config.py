"""File + environment + flags → one frozen, validated `Settings`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aps_exporter import config_checks as checks
from aps_exporter.config_file import duplicate_keys, read_config_file
from aps_exporter.config_problems import dotted, problems_of
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

FrequencyKey = Literal["v7", "v8", "v9", "v10", "v11", "v12"]
Whole = Annotated[int, Field(ge=0, le=100_000), BeforeValidator(checks.not_a_boolean)]
Seconds = Annotated[float, BeforeValidator(checks.not_a_boolean)]
Latitude = Annotated[float, Field(ge=-90, le=90), BeforeValidator(checks.not_a_boolean)]
Longitude = Annotated[float, Field(ge=-180, le=180), BeforeValidator(checks.not_a_boolean)]
Id = Annotated[
    str, BeforeValidator(checks.digits_as_text), WithJsonSchema({"type": ["string", "integer"]})
]


class _Section(BaseModel):
    """What all sections have in common: strict about keys, frozen, silent about values."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, data: object) -> object:
        """Take `null` for a key, or for the whole section, as if it were not there."""
        if data is None:
            return {}
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class PanelSettings(_Section):
    """What the owner calls a panel."""

    name: str | None = Field(
        default=None, description="what people call the panel; default: its id"
    )
    group: str = Field(default="", description="panels with the same outlook, such as east")


class PVOutputSettings(_Section):
    """The account at PVOutput.org, and what is sent to it."""

    publish: bool = Field(default=False, description="send the readings to PVOutput.org")
    # Stands before `api_key`, whose check needs it.
    api_key_file: Path | None = Field(
        default=None, description="file that holds the API key; relative to the configuration's"
    )
    api_key: SecretStr | None = Field(
        default=None, validate_default=True, description="API key; required here or in api_key_file"
    )
    system_id: Id | None = Field(
        default=None, validate_default=True, description="the system's number at PVOutput.org"
    )
    send_temp: bool = Field(default=True, description="send the average temperature (v5)")
    send_voltage: bool = Field(default=True, description="send the average grid voltage (v6)")
    send_freq: bool = Field(
        default=False, description="send the average frequency (needs donation mode)"
    )
    send_freq_key: FrequencyKey = Field(
        default="v11", description="the field that takes the frequency"
    )
    base_url: Annotated[str, AfterValidator(checks.pvoutput_url)] = Field(
        default="https://pvoutput.org/service/r2", description="plain http for loopback only"
    )
    interval: Annotated[Literal["auto", 5, 10, 15], BeforeValidator(checks.digits_as_number)] = (
        Field(
            default="auto",
            description="the system's status interval in minutes; auto asks PVOutput",
        )
    )
    donation: Annotated[Literal["auto"] | bool, BeforeValidator(checks.auto_or_boolean)] = Field(
        default="auto", description="whether the account is in donation mode; auto asks PVOutput"
    )
    energy: Literal["none", "daily", "lifetime"] = Field(
        default="none", description="which of the ECU's energy counters to send (v1)"
    )
    backfill_from_ecu: bool = Field(
        default=True, description="fill today's missed intervals from the ECU's own curve"
    )

    @field_validator("api_key")
    @classmethod
    def _one_usable_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Take the key from where it is; only publishing makes it necessary."""
        given = key.get_secret_value() if key else ""
        key_file = info.data.get("api_key_file")
        if not info.data.get("publish"):
            return key if given else None
        if given and key_file:
            raise ValueError("give either api_key or api_key_file, not both")
        if key_file:
            try:
                given = checks.read_key(key_file)
            except ValueError as error:
                context = {"error": str(error), "file": str(key_file)}
                raise PydanticCustomError("key_file", "{error}", context) from error
        elif not given and "api_key_file" in info.data:
            raise ValueError("required when publish is true (or api_key_file)")
        return SecretStr(checks.api_key(given)) if given else None

    @field_validator("system_id")
    @classmethod
    def _usable_id(cls, system_id: str | None, info: ValidationInfo) -> str | None:
        """Ask for the id, and look at it, only when publishing."""
        if not info.data.get("publish"):
            return system_id or None
        return checks.system_id(system_id or "")


class Settings(_Section):
    """Everything that one ECU's exporter has to know."""

    host: Annotated[str, AfterValidator(checks.host)] = Field(
        description="the ECU: address or name, with :port where it isn't 80"
    )
    path: Annotated[str, AfterValidator(checks.path)] | None = Field(
        default=None, description="the page with the inverters; default: found by itself"
    )
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
