"""What pydantic found wrong → one line each for people, which never shows a secret."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = ["Problem", "dotted", "one_line", "problems_of"]

Problem = tuple[tuple[str, ...], str]
"""The path of a key, and what is wrong there."""

_WORDS = {
    "missing": "required",
    "extra_forbidden": "unknown key",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be one of {expected}",
    "string_type": "must be text, in quotes",
    "path_type": "must be text, in quotes",
    "model_type": "must be an object, in braces",
    "dict_type": "must be an object, in braces",
    "key_file": "{error}",
    "value_error": "{error}",
}
"""Pydantic's kind of error → our words."""

_LONGEST = 60
_LIKE_A_SECRET = re.compile(r"[0-9A-Za-z]{20}|@")
"""PVOutput's keys are 40 characters long; an @ stands after a password in a URL."""


def problems_of(error: ValidationError, sections: Mapping[str, Collection[str]]) -> list[Problem]:
    """Say what is wrong with which key; `sections` has the known keys of each section."""
    return [_problem(details, sections) for details in error.errors(include_url=False)]


def dotted(path: tuple[str, ...]) -> str:
    """Write a key's path as ``pvoutput.publish``."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else _quoted(part) for part in path)


def one_line(text: str) -> str:
    """Spell out what doesn't print, line ends first of all."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _problem(details: ErrorDetails, sections: Mapping[str, Collection[str]]) -> Problem:
    kind, value, context = details["type"], details["input"], dict(details.get("ctx", {}))
    path = tuple(str(part) for part in details["loc"] if part != "[key]")
    if "expected" in context:
        context["expected"] = str(context["expected"]).replace("'", "").replace(" or ", ", ")
    text = one_line(_WORDS.get(kind, details["msg"]).format_map(context))
    if kind == "extra_forbidden":
        return path, text + _hint(path, sections)
    if kind == "key_file":
        path, value = (*path[:-1], "api_key_file"), context["file"]
    secret = path[-1:] == ("api_key",) or kind == "model_type"
    return path, text if secret else text + _got(value)


def _hint(path: tuple[str, ...], sections: Mapping[str, Collection[str]]) -> str:
    """Guess which key was meant: one like it here, or the same in another section."""
    section, name = path[0] if len(path) > 1 else "", path[-1].rpartition(".")[2]
    guesses = difflib.get_close_matches(name.casefold(), sections.get(section, ()), n=1)
    guesses += [
        dotted((other, name)) if other else name
        for other, keys in sections.items()
        if other != section and name in keys
    ]
    return f"; did you mean {guesses[0]}?" if guesses else ""


def _got(value: object) -> str:
    """Quote what was given, if it is short and surely no secret."""
    if isinstance(value, bool | int | float) or (
        isinstance(value, str) and value and not _LIKE_A_SECRET.search(value)
    ):
        return f" (got {_quoted(value)})"
    return ""


def _quoted(value: object) -> str:
    text = one_line(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
