"""Keeps the API key out of every log record, whoever writes it and at whatever level."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["MASK", "blot", "install"]

MASK: Final = "***"


def blot(text: str, key: str) -> str:
    """Replace the key wherever it stands: plain, percent-encoded or as Python shows it."""
    for form in {key, quote(key, safe=""), repr(key)[1:-1]} if key else ():
        text = text.replace(form, MASK)
    return text


def install(*keys: SecretStr) -> Callable[[], None]:
    """Blot these keys out of all log records from now on; returns what undoes it.

    It works where records are made, not in a logger or handler, so that no library's logger, no
    handler that is added later and no traceback gets around it.
    """
    secrets = [key.get_secret_value() for key in keys]
    make = logging.getLogRecordFactory()
    # Hundreds of ECUs have hundreds of keys, and one factory is enough for all.
    clean = make if isinstance(make, _CleanRecords) else _CleanRecords(make)
    clean.secrets.update(secrets)
    logging.setLogRecordFactory(clean)

    def undo() -> None:
        clean.secrets.subtract(secrets)
        clean.secrets = +clean.secrets
        if not clean.secrets and logging.getLogRecordFactory() is clean:
            logging.setLogRecordFactory(clean.make)

    return undo


class _CleanRecords:
    """Makes log records as another factory does, but without secrets."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self.make = make
        self.secrets: Counter[str] = Counter()
        """How often each was installed."""

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        with suppress(TypeError, ValueError, KeyError):  # a faulty call fails where it is printed
            message = record.getMessage()
            if self._clean(message) != message:
                record.msg, record.args = self._clean(message), ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            if self._clean(text) != text:
                record.exc_text = self._clean(text)
                record.exc_info = None  # a handler would format the exception itself, key and all
        if record.stack_info:
            record.stack_info = self._clean(record.stack_info)
        return record

    def _clean(self, text: str) -> str:
        for secret in [*self.secrets]:
            text = blot(text, secret)
        return text
