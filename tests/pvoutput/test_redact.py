"""The key stays out of the log, whoever writes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from aps_exporter.pvoutput.redact import blot, install

SECRET = "s3cret/key+0"
log = logging.getLogger("somebody.else")


@pytest.fixture(autouse=True)
def _installed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    undo = install(SecretStr(SECRET))
    yield
    undo()


def test_messages_and_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """It is blotted out of messages, arguments, and whatever else is made of them."""
    log.debug("sending %s to %s", {"X-Pvoutput-Apikey": SECRET}, "there")
    log.info("key=" + SECRET)  # noqa: G003  as careless people do
    log.warning("?key=%s", "s3cret%2Fkey%2B0")

    assert [r.getMessage() for r in caplog.records] == [
        "sending {'X-Pvoutput-Apikey': '***'} to there",
        "key=***",
        "?key=***",
    ]


def test_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    """It is blotted out of tracebacks and of the stack."""
    try:
        raise ValueError(SECRET)  # noqa: TRY301  to have a traceback
    except ValueError:
        log.exception("that went wrong")
    log.info("here", stack_info=True)

    assert SECRET not in caplog.text
    assert "ValueError: ***" in caplog.text


def test_innocent_records_are_untouched(caplog: pytest.LogCaptureFixture) -> None:
    """A record without the key keeps its arguments and its exception."""
    try:
        raise ValueError("harmless")  # noqa: TRY301  as above
    except ValueError:
        log.exception("that went wrong: %d", 5)

    assert caplog.records[0].args == (5,)
    assert caplog.records[0].exc_info is not None


def test_an_empty_key() -> None:
    """An empty key blots nothing."""
    assert blot("text", "") == "text"


def test_undo() -> None:
    """What was installed can be taken away again."""
    before = logging.getLogRecordFactory()
    install(SecretStr("x"))()

    assert logging.getLogRecordFactory() is before


def test_many_keys_cost_one_factory(caplog: pytest.LogCaptureFixture) -> None:
    """However many keys are installed, each stays out of the log, and a record is made at once."""
    undo = [install(SecretStr(f"key-{number}-")) for number in range(2000)]
    log.info("%s %s", "key-0-", "key-1999-")
    undo[0]()
    log.info("%s %s", "key-0-", "key-1999-")
    for each in undo[1:]:
        each()

    assert [record.getMessage() for record in caplog.records] == ["*** ***", "key-0- ***"]
