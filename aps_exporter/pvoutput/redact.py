"""Keeps the API key out of every log record, whoever writes it and at whatever level."""

from __future__ import annotations

import logging
import traceback
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
    make = logging.getLogRecordFactory()
    secrets = [key.get_secret_value() for key in keys]

    def clean(text: str) -> str:
        for secret in secrets:
            text = blot(text, secret)
        return text

    def make_clean(*args: object, **kwargs: object) -> logging.LogRecord:
        record: logging.LogRecord = make(*args, **kwargs)
        with suppress(TypeError, ValueError, KeyError):  # a faulty call fails where it is printed
            message = record.getMessage()
            if clean(message) != message:
                record.msg, record.args = clean(message), ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            if clean(text) != text:
                record.exc_text = clean(text)
                record.exc_info = None  # a handler would format the exception itself, key and all
        if record.stack_info:
            record.stack_info = clean(record.stack_info)
        return record

    logging.setLogRecordFactory(make_clean)

    def undo() -> None:
        logging.setLogRecordFactory(make)

    return undo
