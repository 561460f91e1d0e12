"""A configuration file's bytes → its keys, with JSON errors that name line and column."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from aps_exporter.config_problems import one_line
from aps_exporter.errors import ConfigError

__all__ = ["duplicate_keys", "read_config_file"]


class _Object(dict[str, object]):
    """A JSON object that remembers which keys it was given twice."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs)
        count = Counter(name for name, _ in pairs)
        self.duplicates = [name for name in self if count[name] > 1]


def read_config_file(file: Path) -> dict[str, object]:
    """Read a JSON object from a file; comments and other JSON5 are welcome.

    Raise `ConfigError` for a file that can't be read, isn't JSON or isn't an object.
    """
    try:
        content = file.read_bytes()
        text = content.decode(json.detect_encoding(content))
    except OSError as error:
        raise _unusable(file, f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unusable(file, "isn't UTF-8 text") from error
    try:
        data = _parse(text)
    except ValueError as error:
        raise _unusable(file, str(error)) from error
    except RecursionError as error:
        raise _unusable(file, "is nested too deeply") from error
    if not isinstance(data, _Object):
        raise _unusable(file, 'must hold one object, such as {"host": "192.168.1.102"}')
    data.pop("$schema", None)  # how a JSON file tells an editor its schema
    return data


def duplicate_keys(data: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Find the keys that were given more than once, each with its path."""
    if isinstance(data, _Object):
        yield from ((*path, name) for name in data.duplicates)
        for name, value in data.items():
            yield from duplicate_keys(value, (*path, name))


def _unusable(file: Path, why: str) -> ConfigError:
    return ConfigError(f"{file}: {why}")


def _parse(text: str) -> object:
    """Parse JSON, and only when that fails the slower JSON5; raise the better `ValueError`."""
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        plain = (error.lineno, error.colno, error.msg)

    import json5  # noqa: PLC0415 - costs memory and start time that plain JSON doesn't need

    try:
        return json5.loads(text, object_pairs_hook=_Object)
    except ValueError as error:
        found = re.search(r":(\d+) (.*) at column (\d+)$", str(error), re.DOTALL)
        tolerant = (int(found[1]), int(found[3]), found[2]) if found else (0, 0, "")
        # Plain JSON stops at the first comment; who got further saw the real mistake.
        line, column, message = max(plain, tolerant, key=lambda place: place[:2])
        message = one_line(message[:1].lower() + message[1:].removesuffix(" at"))
        raise ValueError(f"line {line}, column {column}: {message}") from error
