"""Writes HTML in which every text is escaped, because nobody has to remember to do it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from typing import Final

__all__ = ["Markup", "document", "tag"]

VOID: Final = frozenset({"br", "col", "link", "meta"})
OPEN: Final = frozenset({"dd", "dt", "li", "tbody", "td", "th", "thead", "tr"})
"""These end where the next one begins; their end tags would be a tenth of a large roof's page."""


class Markup(str):
    """HTML that `tag` wrote, or that is ours to the last letter."""

    __slots__ = ()


def tag(
    name: str, /, *children: str | Iterable[str] | None, **attributes: str | int | None
) -> Markup:
    """Write an element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``.

    A child or an attribute that is ``None`` is left out.
    """
    written = "".join(
        f' {_attribute(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    end = "" if name in OPEN else f"</{name}>"
    return Markup(f"<{name}{written}>{''.join(map(_child, children))}{end}")


def document(head: Iterable[Markup], body: Iterable[Markup]) -> str:
    """Write a whole page."""
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    return "\n".join([*lines, *head, "</head>", "<body>", *body, "</body>", "</html>", ""])


@cache
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _child(child: str | Iterable[str] | None) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return child if isinstance(child, Markup) else escape(child)
    return "".join(map(_child, child))
