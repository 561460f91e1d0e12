"""`POST /-/reload`: reads the configuration anew, where the owner allows that by the web."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aps_exporter.errors import ConfigError
from aps_exporter.web.scrapes import in_thread

__all__ = ["Lifecycle"]


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Answers those who want something done to the exporter itself."""

    reload_configuration: Callable[[], None] | None
    """Raises `ConfigError`; ``None``: not by the web."""

    async def reload(self, _request: Request) -> Response:
        """Reload, and say what is wrong with the configuration if something is."""
        if self.reload_configuration is None:
            return PlainTextResponse(
                "Reloading by the web is off; --web.enable-lifecycle allows it.\n", status_code=403
            )
        try:
            await asyncio.wrap_future(in_thread(self.reload_configuration))
        except ConfigError as error:
            lines = "".join(f"{problem}\n" for problem in error.problems)
            return PlainTextResponse(
                f"The configuration stays as it was.\n{lines}", status_code=500
            )
        return PlainTextResponse("The configuration is reloaded.\n")
