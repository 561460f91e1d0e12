"""The landing page: what this is, how the ECU is, and where to go from here."""

from __future__ import annotations

import base64
import hashlib
import html

from aps_exporter.ecu.journal import clock_notice, stale_notice
from aps_exporter.errors import EcuError
from aps_exporter.station import Outcome

__all__ = ["HEADERS", "landing_page"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>aps-exporter</title>
<style>{style}</style>
</head>
<body>
<h1>aps-exporter</h1>
<p>Tells Prometheus what an APsystems ECU says about its inverters and panels.
This is version {version}.</p>
<h2>The ECU</h2>
{state}
<h2>Pages</h2>
<ul>
<li><a href="/metrics">/metrics</a>: the metrics; reads the ECU</li>
<li><a href="/api/v1/reading">/api/v1/reading</a>: one reading as JSON; reads the ECU</li>
<li><a href="/-/healthy">/-/healthy</a> and <a href="/-/ready">/-/ready</a>: is the exporter alive
and serving; never ask the ECU</li>
</ul>
</body>
</html>
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
"""Nothing on the page may run or load, whatever an ECU's texts manage to smuggle in."""


def landing_page(last: Outcome | None, version: str) -> str:
    """Write the page; `last` is ``None`` as long as nobody has asked for a reading."""
    state = "".join(f"<p>{html.escape(sentence)}</p>\n" for sentence in _state(last))
    return _PAGE.format(style=_STYLE, version=html.escape(version), state=state)


def _state(last: Outcome | None) -> list[str]:
    """Say how the ECU is, in sentences."""
    if last is None:
        return ["Not read yet: the ECU is read when somebody asks for the metrics."]
    when = f"{last.at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(last.result, EcuError):
        return [f"The last poll, at {when}, failed ({last.result.status}): {last.result}"]
    summary = last.result
    power = "unknown" if summary.power_w is None else f"{summary.power_w:g} W"
    panels = f"{summary.received} of {summary.expected}"
    inverters = f"{summary.inverters_online} of {len(summary.inverters)}"
    notices = filter(None, (stale_notice(summary.reading), clock_notice(summary.reading)))
    return [
        f"The ECU answered at {when} from {summary.reading.source}.",
        f"Panels online: {panels}. Inverters online: {inverters}. Power: {power}.",
        *(f"About the ECU: {notice}." for notice in notices),
    ]
