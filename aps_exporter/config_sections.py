"""The sections of the configuration that stand for themselves: panels, and the PVOutput account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aps_exporter import config_checks as checks

__all__ = ["PVOutputSettings", "PanelSettings", "Seconds", "Section", "Whole"]

FrequencyKey = Literal["v7", "v8", "v9", "v10", "v11", "v12"]
Whole = Annotated[int, Field(ge=0, le=100_000), BeforeValidator(checks.not_a_boolean)]
Place = Annotated[int, Field(ge=1, le=200), BeforeValidator(checks.not_a_boolean)]
Seconds = Annotated[float, BeforeValidator(checks.not_a_boolean)]
Id = Annotated[
    str, BeforeValidator(checks.digits_as_text), WithJsonSchema({"type": ["string", "integer"]})
]


class Section(BaseModel):
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


class PanelSettings(Section):
    """What the owner calls a panel."""

    name: str | None = Field(
        default=None, description="what people call the panel; default: its id"
    )
    group: str = Field(default="", description="panels with the same outlook, such as east")
    row: Place | None = Field(default=None, description="its row on the roof, 1 at the top")
    column: Place | None = Field(default=None, description="its column on the roof, 1 at the left")


class PVOutputSettings(Section):
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
