"""Which format a scraper gets, and that the body is what the headers say."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from aps_exporter.web.exposition import FORMATS, Exposition, accepts_gzip, choose_format
from tests.web.conftest import Client

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"

ACCEPTS = [
    ("", TEXT),
    ("*/*", TEXT),
    ("text/*", TEXT),
    ("text/plain", TEXT),
    ("text/plain; charset=utf-8", TEXT),
    ("text/plain;version=0.0.4", TEXT),
    ('text/plain;version="0.0.4"', TEXT),
    ("TEXT/PLAIN;VERSION=0.0.4", TEXT),
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
    (" application/openmetrics-text ; version = 1.0.0 ; q = 0.3 ", OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0;escaping=nonsense", OPENMETRICS),
    ("application/*", OPENMETRICS),
    (PROMETHEUS_2, OPENMETRICS),
    (PROMETHEUS_3, OPENMETRICS),
    (BROWSER, TEXT),
    # Weights decide, then the order.
    ("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.8", TEXT),
    (
        "text/plain;version=0.0.4;q=0.2,application/openmetrics-text;version=1.0.0;q=0.8",
        OPENMETRICS,
    ),
    ("text/plain,application/openmetrics-text", TEXT),
    ("application/openmetrics-text,text/plain", OPENMETRICS),
    ("application/openmetrics-text;q=0.001,text/plain;q=0", OPENMETRICS),
    # The closest range decides for a type, even if a wider one weighs more.
    ("*/*,text/plain;q=0.1", OPENMETRICS),
    ("*/*,application/openmetrics-text;q=0.1", TEXT),
    ("*/*;q=0.5,application/openmetrics-text;q=0", TEXT),
    # Versions that don't exist are not what we write.
    ("application/openmetrics-text;version=abc", TEXT),
    ("application/openmetrics-text;version=99.0.0", TEXT),
    ("application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.1", TEXT),
    ("application/openmetrics-text;version=0.0.1", TEXT),
    ("text/plain;version=1.0.0,application/openmetrics-text;q=0.1", OPENMETRICS),
    # Nothing that we have: the last resort.
    ("text/plain;q=0", TEXT),
    ("image/png", TEXT),
    ("application/vnd.google.protobuf", TEXT),
    # Nonsense.
    (",;,=;q", TEXT),
    (";;;;", TEXT),
    ("application/openmetrics-text;q=nan", TEXT),
    ("application/openmetrics-text;q=-1", TEXT),
    ("application/openmetrics-text;q=2", TEXT),
    ("application/openmetrics-text;q=0.12345", TEXT),
    ("application/openmetrics-text;q=abc,text/plain;q=0.1", TEXT),
    ("\xff\xfe", TEXT),
    ("text/plain;q=" + "9" * 4000, TEXT),
]


@pytest.mark.parametrize(("accept", "content_type"), ACCEPTS)
def test_format_follows_accept(client: Client, accept: str, content_type: str) -> None:
    """The format is the heaviest that we have, and the body is in it."""
    answer = client.fetch("/metrics", headers={"Accept": accept})

    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.body.endswith(b"# EOF\n") == (content_type == OPENMETRICS)


def test_openmetrics_is_openmetrics(client: Client) -> None:
    """The strict parser of the specification's authors reads the body."""
    answer = client.fetch("/metrics", headers={"Accept": PROMETHEUS_3})
    parsed = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]  # library
    families = {family.name: family for family in parsed}

    assert families["aps_up"].samples[0].value == 1
    assert not [name for name in families if name.endswith("_created")]


HEADERS = st.text(st.characters(max_codepoint=255), max_size=60) | st.lists(
    st.sampled_from(["*/*", "text/plain", ";", "q=", "0.5", ",", "version="])
).map("".join)


@settings(deadline=None)
@given(HEADERS)
def test_no_header_is_an_error(header: str) -> None:
    """Whatever a client writes, it gets a format."""
    assert choose_format(header) in FORMATS
    assert accepts_gzip(header) in (True, False)


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("identity", False),
        ("deflate, br", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.5, identity;q=0.9", False),
        ("gzip;q=0.9, identity;q=0.5", True),
        ("gzip;q=nonsense", False),
    ],
)
def test_gzip_only_if_accepted(client: Client, accept_encoding: str, accepted: bool) -> None:  # noqa: FBT001 a column of the table
    """The body is compressed for those who accept that, and says so."""
    answer = client.fetch("/metrics", headers={"Accept-Encoding": accept_encoding})
    body = gzip.decompress(answer.body) if accepted else answer.body

    assert answer.headers["content-encoding"] == ("gzip" if accepted else None)
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert b"\naps_up 1.0\n" in body


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(allow_nan=False)), max_size=6))
def test_remembered_text_is_what_the_library_writes(changes: list[tuple[str, float]]) -> None:
    """However values change between scrapes, the text is the one that prometheus_client writes."""
    registry = CollectorRegistry()
    gauge = Gauge("aps_first_watts", 'With "quotes".', ["panel"], registry=registry)
    Counter("aps_second", "Never changes.", registry=registry).inc()
    exposition = Exposition()
    for panel, value in [("a", 1.0), *changes]:
        gauge.labels(panel).set(value)

        for written in FORMATS:
            body, _ = exposition.render(registry, written.content_type, "")

            assert body == written.write(registry)


class Odd(Collector):
    """Families whose samples are more than a value, or are written in another order."""

    def __init__(self) -> None:
        """Begin with some values."""
        self.values = [1.0, 2.0, 3.0]

    def collect(self) -> list[Metric]:
        """Give the families."""
        first, second, third = self.values
        stamped = GaugeMetricFamily("aps_stamped", "Has a time.", labels=["panel"])
        stamped.add_metric(["100 % \n"], first, timestamp=1.0)
        reordered = Metric("aps_reordered", "The sum comes last.", "gaugehistogram")
        reordered.add_sample("aps_reordered_gsum", {}, first)
        reordered.add_sample("aps_reordered_bucket", {"le": "+Inf"}, second)
        plain = GaugeMetricFamily("aps_plain", "100 % \\plain.", labels=["panel"])
        plain.add_metric(['%s "a" \n #'], second)
        plain.add_metric(["# {} 1.0"], third)
        return [stamped, reordered, plain]


def test_odd_families_are_what_the_library_writes() -> None:
    """Times, samples in another order and odd labels are no reason to write another text."""
    registry, exposition = Odd(), Exposition()
    for values in ([1.0, 2.0, 3.0], [3.0, 3.0, 1e300], [1000.0, float("nan"), -0.0]):
        registry.values = values
        for written in FORMATS:
            body, _ = exposition.render(registry, written.content_type, "")

            assert body == written.write(registry)
