"""The ECU's web pages as one interface: GET on the table page and the home page, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.interfaces import Answer
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.ecu.web import Fetch, Knock, fetch, knock
from aps_exporter.errors import EcuError, EcuPageError
from aps_exporter.model import EcuInfo, Interface, Table

__all__ = ["WebInterface"]

TABLE_PATHS: Final = ("/cgi-bin/parameters", "/index.php/realtimedata")
HOME_PATHS: Final[dict[Interface, str]] = {"cgi": "/cgi-bin/home", "php": "/index.php/home"}
CURVE_PATH: Final = "/index.php/realtimedata/old_power_graph"


@dataclass(slots=True, kw_only=True)
class WebInterface:
    """Finds out which pages an ECU has, by their content, and remembers it until they fail."""

    base_url: str
    """Such as ``http://192.168.1.102``, without a slash at the end."""
    now: Callable[[], datetime]
    path: str | None = None
    """The table page; found by itself when ``None``."""
    fetch: Fetch = fetch
    knock: Knock = knock
    _found_path: str | None = field(default=None, init=False)
    _last_table: tuple[bytes, Table] | None = field(default=None, init=False)
    """The table page and what it says; most polls find the page of the one before."""
    _up: bool | None = field(default=None, init=False)

    def poll(self, deadline: Deadline, patience: Deadline) -> Answer:
        """Read the table page, and the home page if it comes before `patience` ends."""
        self._up = False
        path, table = self._find_table(deadline)
        self._up = True
        read_at = self.now()
        interface: Interface = "cgi" if path.startswith("/cgi-bin/") else "php"
        ecu, home_error = self._read_home(interface, patience)
        return Answer(
            source=self.base_url + path,
            interface=interface,
            read_at=read_at,
            table=table,
            ecu=ecu,
            home_error=home_error,
        )

    def day_curve(self, deadline: Deadline) -> bytes:
        """Get the JSON of today's power curve, which php ECUs keep; raises `EcuError`."""
        return self.fetch(self.base_url + CURVE_PATH, deadline)

    def listens(self, deadline: Deadline) -> None:
        """Find out whether there is a web server, however slow; raises `EcuError` if not."""
        self._up = False
        self.knock(self.base_url, deadline)

    def up(self) -> Mapping[str, bool]:
        """Say whether the table page could be read, the last time it was asked for."""
        return {} if self._up is None else {"web": self._up}

    def resting(self) -> bool:
        """Pages are there day and night."""
        return False

    def _find_table(self, deadline: Deadline) -> tuple[str, Table]:
        """Read the table page; raises what the likeliest page answered when none is there."""
        paths = (self.path,) if self.path else dict.fromkeys((self._found_path, *TABLE_PATHS))
        errors: list[EcuPageError] = []
        for path in filter(None, paths):
            try:
                table = self._read_table(self.base_url + path, deadline)
            except EcuPageError as error:
                errors.append(error)
            else:
                self._found_path = path
                return path, table
        self._found_path = None
        raise next((error for error in errors if error.status != "page_gone"), errors[0])

    def _read_table(self, url: str, deadline: Deadline) -> Table:
        """Read a page, and once more if it is cut off: the ECU may just be writing its data."""
        try:
            return self._parse_table(self.fetch(url, deadline))
        except EcuPageError as error:
            if error.status != "page_truncated":
                raise
        return self._parse_table(self.fetch(url, deadline))

    def _parse_table(self, page: bytes) -> Table:
        """Parse a page, unless it is the last one still."""
        if self._last_table is None or self._last_table[0] != page:
            self._last_table = (page, parse_table(page))
        return self._last_table[1]

    def _read_home(
        self, interface: Interface, deadline: Deadline
    ) -> tuple[EcuInfo | None, str | None]:
        """Read the home page, or say why not: the table is worth having without it."""
        try:
            return parse_home(self.fetch(self.base_url + HOME_PATHS[interface], deadline)), None
        except EcuError as error:
            return None, str(error)
