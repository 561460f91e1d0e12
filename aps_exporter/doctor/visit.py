"""Puts the doctor's questions to a real ECU: pages by GET, commands over TCP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from aps_exporter.deadline import Deadline
from aps_exporter.doctor.evidence import Question
from aps_exporter.ecu.frames import parse_system
from aps_exporter.ecu.pages import parse_home
from aps_exporter.ecu.tcp import Command, dial, exchange
from aps_exporter.ecu.web import fetch, fetch_any
from aps_exporter.errors import EcuError, EcuPageError

__all__ = ["Visit"]


@dataclass(slots=True)
class Visit:
    """One visit to one ECU; remembers its id, without which it answers nothing over TCP."""

    host: str
    """With ``:port`` where the pages aren't on 80."""
    tcp_port: int
    _ecu_id: str | None = field(default=None, init=False)

    def ask(self, question: Question, deadline: Deadline) -> tuple[bytes, EcuError | None]:
        """Put a question; a page that came with an error is worth having, too."""
        if question.door == "web":
            url = f"http://{self.host}{question.where}"
            try:
                answer = fetch(url, deadline)
            except EcuPageError as error:
                if error.status == "page_truncated":
                    raise
                return fetch_any(url, deadline), error
        else:
            answer = self._exchange(Command(question.where), deadline)
        if question.kind in _IDENTIFY:
            self._learn(question, answer)
        return answer, None

    def _exchange(self, command: Command, deadline: Deadline) -> bytes:
        if command is not Command.SYSTEM and self._ecu_id is None:
            raise EcuPageError("can't be asked: the ECU did not tell its id", "page_unrecognised")
        connect = dial(urlsplit(f"//{self.host}").hostname or "", self.tcp_port)
        today = datetime.now().astimezone().date()
        return exchange(command, connect, deadline, ecu_id=self._ecu_id, day=today)

    def _learn(self, question: Question, answer: bytes) -> None:
        parse = parse_home if question.door == "web" else parse_system
        try:
            self._ecu_id = parse(answer).ecu_id or self._ecu_id
        except EcuError:
            return  # the report will say what is wrong with the answer


_IDENTIFY: Final = ("home", "system")
