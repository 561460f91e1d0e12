"""Every exception we raise.

The tree, each branch a decision that somebody can take::

    ApsError
    ├── ConfigError              the user corrects the configuration (exit 1)
    ├── TargetError              somebody asks for a target that is none (400), or not allowed (403)
    ├── EcuError                 the ECU could not be read (exit 2)
    │   ├── EcuUnreachableError  nobody answers: look at power, network, address
    │   ├── EcuTimeoutError      somebody answers too slowly: wait, or power-cycle
    │   └── EcuPageError         an answer came, but not a page we can use
    └── PVOutputError            PVOutput refused or could not be reached (exit 4)
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = [
    "ApsError",
    "ConfigError",
    "EcuError",
    "EcuPageError",
    "EcuStatus",
    "EcuTimeoutError",
    "EcuUnreachableError",
    "PVOutputError",
    "PageFault",
    "TargetError",
]

EcuStatus = Literal[
    "ok", "empty", "unreachable", "timeout", "page_gone", "page_unrecognised", "page_truncated"
]
"""How a poll ended, as the label of `aps_ecu_status`."""

PageFault = Literal["page_gone", "page_unrecognised", "page_truncated"]
"""What is wrong with a page that arrived."""


class ApsError(Exception):
    """Base of all errors that a user may see; its text is one line, fit to print."""

    exit_code: ClassVar[int] = 1


class ConfigError(ApsError):
    """The configuration can't be used; `problems` lists everything that is wrong with it."""

    def __init__(self, *problems: str) -> None:
        """Take the problems, each one line that names the key and the file where known."""
        super().__init__("; ".join(problems))
        self.problems = problems


class TargetError(ApsError):
    """A target that the configuration doesn't know is malformed, or not allowed."""

    def __init__(self, message: str, http_status: Literal[400, 403]) -> None:
        """Take what to answer: 400 for malformed, 403 for not allowed."""
        super().__init__(message)
        self.http_status = http_status


class EcuError(ApsError):
    """The ECU could not be read; `status` says which kind of nothing it was."""

    exit_code: ClassVar[int] = 2
    status: EcuStatus


class EcuUnreachableError(EcuError):
    """No conversation took place: refused, reset, no route, or a name that doesn't resolve."""

    status: EcuStatus = "unreachable"


class EcuTimeoutError(EcuError):
    """The deadline passed before the ECU had said everything."""

    status: EcuStatus = "timeout"


class EcuPageError(EcuError):
    """An answer came that is no usable page."""

    def __init__(self, message: str, fault: PageFault) -> None:
        """Keep the fault beside the message, because pollers act on it."""
        super().__init__(message)
        self.status: EcuStatus = fault


class PVOutputError(ApsError):
    """PVOutput refused what we sent, or could not be reached."""

    exit_code: ClassVar[int] = 4
