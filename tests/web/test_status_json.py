"""The JSON behind the page: what is in it, and that its schema says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from aps_exporter.model import Inverter
from aps_exporter.pvoutput.status import Snapshot
from aps_exporter.summary import PanelName
from aps_exporter.web.contract import Status
from aps_exporter.web.day import day_json
from aps_exporter.web.status import fleet_json, status_json
from tests.web.roof_world import NOON, WELL, World, inverter, reading, refuse

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "status.schema.json").read_text())


def check(document: object, kind: str) -> None:
    """Hold a document against its part of the schema; raises what doesn't fit."""
    schema = {**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{kind}"}]}
    jsonschema.validate(json.loads(json.dumps(document)), schema, jsonschema.Draft202012Validator)


def status_of(world: World) -> Status:
    """Give the status, which fits its schema."""
    status = status_json(world.station)
    check(status, "status")
    return status


def schemas(node: object) -> Iterator[dict[str, object]]:
    """Walk through all objects of the schema."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from schemas(child)
    elif isinstance(node, list):
        for child in node:
            yield from schemas(child)


def test_the_schema_is_strict() -> None:
    """The schema is one, and no object in it may have a key that it doesn't name or describe."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    objects = [s for s in schemas(SCHEMA) if isinstance(s.get("properties"), dict)]

    assert len(objects) > 15
    assert all(each["additionalProperties"] is False for each in objects)
    assert all(set(each["required"]) == set(each["properties"]) for each in objects)  # type: ignore[call-overload]  # lists and dicts, as JSON goes


def test_the_docs_name_every_field() -> None:
    """docs/api-status.md has a row or a line for each field."""
    text = (DOCS / "api-status.md").read_text()
    names = {
        str(name)
        for each in schemas(SCHEMA["$defs"])
        if isinstance(properties := each.get("properties"), dict)
        for name in properties
    }

    missing = {name for name in names if not re.search(rf"[`.]{name}[`.]", text)}

    assert missing == set()


def test_a_day_of_a_roof() -> None:
    """A well roof has its power, its panels, its inverters and its sun."""
    world = World(names={"801000090001-1": PanelName(name="Dormer", group="east")})
    world.poll()
    world.later(seconds=30)
    status = status_of(world)

    assert status["now"] == "2026-06-01T14:02:30+02:00"
    assert status["ecu"]["name"] == "barn"
    assert (status["ecu"]["status"], status["ecu"]["level"]) == ("ok", "good")
    assert status["power"] == {"measured_w": 450.0, "estimated_w": None}
    assert status["energy"] == {"today_wh": 4200.0, "lifetime_wh": 1_000_000.0}
    assert status["panels"] == {"received": 4, "expected": 4, "missing": 0}
    assert (status["inverters_online"], status["inverters_expected"]) == (2, 2)
    assert status["data"] == {
        "read_at": "2026-06-01T14:02:00+02:00",
        "reported_at": "2026-06-01T14:00:00+02:00",
        "age_s": 150,
    }
    assert status["sun"] is not None
    assert str(status["sun"]["sunrise"])[:13] == "2026-06-01T05"
    assert str(status["sun"]["sunset"])[:13] == "2026-06-01T21"
    assert [(p["name"], p["state"], p["power_w"], p["share"]) for p in status["roof"]] == [
        ("801000090001-2", "online", 100.0, 1.0),
        ("801000090002-1", "online", 150.0, 1.5),
        ("801000090002-2", "online", 0.0, 0.0),
        ("Dormer", "online", 200.0, 1.0),
    ]
    assert status["inverters"][0] == {
        "serial": "801000090001",
        "name": "801000090001",
        "state": "online",
        "grid_voltages": [{"phase": "", "voltage_v": 230.0}],
        "grid_frequency_hz": 50.0,
        "temperature_c": 31.0,
        "signal_ratio": None,
        "last_report": "2026-06-01T14:00:00+02:00",
    }
    assert status["polls"] == [
        {"at": "2026-06-01T14:02:00+02:00", "status": "ok", "duration_s": 0.12, "error": None}
    ]


def test_before_the_first_poll_all_is_unknown() -> None:
    """Nothing is claimed of an ECU that wasn't asked."""
    status = status_of(World())

    assert status["ecu"]["status"] == "unknown"
    assert (status["roof"], status["inverters"], status["polls"]) == ([], [], [])
    assert status["panels"] == {"received": 0, "expected": None, "missing": 0}


def test_an_estimate_is_apart_from_what_is_measured() -> None:
    """Both numbers are there where the sum was scaled."""
    world = World(expected_count=5)
    world.poll()

    assert status_of(world)["power"] == {"measured_w": 450.0, "estimated_w": 562.0}


def test_each_kind_of_nothing_has_its_state() -> None:
    """Missing, never contacted and stale panels, and 0 W, are told apart."""
    world = World(names={"801000090009-1": PanelName()})
    world.poll()
    world.poll(
        reading(
            inverter("801000090001", 200.0, 0.0),
            inverter("801000090002", None, None),
            inverter("801000090003", 90.0, stale=True),
            Inverter(serial="801000090004", channels=()),
        )
    )
    status = status_of(world)

    assert {p["id"]: (p["state"], p["power_w"]) for p in status["roof"]} == {
        "801000090001-1": ("online", 200.0),
        "801000090001-2": ("online", 0.0),
        "801000090002-1": ("missing", None),
        "801000090002-2": ("missing", None),
        "801000090003-1": ("stale", None),
        "801000090004": ("never_contacted", None),
        "801000090009-1": ("never_contacted", None),
    }
    assert {i["serial"]: i["state"] for i in status["inverters"]} == {
        "801000090001": "online",
        "801000090002": "missing",
        "801000090003": "stale",
        "801000090004": "never_contacted",
        "801000090009": "never_contacted",
    }
    assert {i["serial"]: i["last_report"] for i in status["inverters"] if i["last_report"]} == {
        f"80100009000{number}": "2026-06-01T14:00:00+02:00" for number in (1, 2, 3)
    }
    assert [(p["row"], p["column"]) for p in status["roof"]] == sorted(
        (p["row"] or 0, p["column"] or 0) for p in status["roof"]
    )


def test_a_roof_at_night_is_asleep() -> None:
    """After dark nobody is missing, however the ECU writes its rows."""
    world = World(names={"801000090009-1": PanelName()})
    world.poll()
    world.later(hours=9)
    night = reading(
        inverter("801000090001", 2.0, 1.0, stale=True), inverter("801000090002", None, None)
    )
    world.poll(replace(night, read_at=world.now))
    status = status_of(world)

    assert status["ecu"]["level"] == "sleep"
    assert [p["state"] for p in status["roof"]] == ["asleep"] * 4 + ["never_contacted"]
    assert [i["state"] for i in status["inverters"]] == ["asleep"] * 2 + ["never_contacted"]
    assert status["power"]["measured_w"] is None


def test_an_old_answer_is_stale() -> None:
    """Half an hour after its last answer an ECU that fails has no power left on the page."""
    world = World()
    world.poll()
    world.later(minutes=29)
    world.poll(refuse)
    young = status_of(world)
    world.later(minutes=2)
    old = status_of(world)

    assert young["power"]["measured_w"] == 450.0
    assert {p["state"] for p in young["roof"]} == {"online"}
    assert old["power"]["measured_w"] is None
    assert {(p["state"], p["power_w"], p["dc_voltage_v"]) for p in old["roof"]} == {
        ("stale", None, None)
    }
    assert {i["state"] for i in old["inverters"]} == {"stale"}
    assert old["panels"] == {"received": 0, "expected": 4, "missing": 4}
    assert old["polls"][0] == {
        "at": "2026-06-01T14:31:00+02:00",
        "status": "unreachable",
        "duration_s": 0.0,
        "error": "the ECU refuses the connection",
    }


def test_an_empty_table() -> None:
    """An ECU that has just restarted has no roof."""
    world = World()
    world.poll(reading())

    assert status_of(world)["ecu"]["status"] == "empty"


def test_a_sun_that_does_not_set() -> None:
    """In the polar summer there is neither sunrise nor sunset."""
    world = World(settings={"latitude": 80.0})
    world.poll()
    sun = status_of(world)["sun"]

    assert sun is not None
    assert (sun["sunrise"], sun["sunset"]) == (None, None)
    assert sun["elevation_deg"] == pytest.approx(31, abs=2)


def test_without_a_place_there_is_no_sun() -> None:
    """Who doesn't say where the roof is isn't told about its sun."""
    world = World(settings={"latitude": None, "longitude": None})

    assert status_of(world)["sun"] is None


WAITING = Snapshot(active=True, queue_records=2, queue_oldest=NOON - timedelta(minutes=10))


@pytest.mark.parametrize(
    ("snapshot", "state", "sentence"),
    [
        (Snapshot(), "standby", "Another process forwards to PVOutput from the same outbox."),
        (Snapshot(active=True), "idle", "Nothing has been sent yet."),
        (Snapshot(active=True, last_success=NOON), "ok", "PVOutput has everything."),
        (WAITING, "waiting", "The next upload is due soon."),
        (
            replace(WAITING, hold_until=NOON + timedelta(minutes=4)),
            "waiting",
            "Nothing is sent before 14:06.",
        ),
        (
            replace(WAITING, queue_oldest=NOON - timedelta(hours=20)),
            "failing",
            "Statuses wait since 2026-05-31 18:02.",
        ),
        (
            replace(WAITING, auth_ok=False),
            "refused",
            "PVOutput refuses the API key or the system id.",
        ),
        (
            replace(WAITING, outbox_on_disk=False),
            "failing",
            "The outbox can't be written to the disk; memory keeps it for now.",
        ),
    ],
)
def test_how_the_forwarding_goes(snapshot: Snapshot, state: str, sentence: str) -> None:
    """PVOutput's side is said in a word and in a sentence."""
    world = World()
    world.poll()
    world.station.publishing = lambda: snapshot
    forwarding = status_of(world)["pvoutput"]

    assert forwarding is not None
    assert (forwarding["state"], forwarding["sentence"]) == (state, sentence)
    assert forwarding["waiting"] == snapshot.queue_records


def test_the_day_fits_its_schema() -> None:
    """The day's curves are as documented."""
    world = World()
    empty = day_json(world.station)
    world.poll()
    day = day_json(world.station)
    check(empty, "day")
    check(day, "day")

    assert (empty["total"], empty["source"]) == ([], "none")
    assert (day["date"], day["start"]) == ("2026-06-01", "2026-06-01T00:00:00+02:00")
    assert (day["total"][168:], day["source"]) == ([450.0], "watched")
    assert day["panels"]["801000090002-1"][168:] == [150]


def test_the_worst_ecu_comes_first() -> None:
    """A list of ECUs begins with those that somebody should look at."""
    night = World(name="night", now=NOON + timedelta(hours=10))
    night.poll(replace(reading(inverter("801000090001", 3.0, stale=True)), read_at=night.now))
    well, ill, missing = World(name="well"), World(name="ill"), World(name="missing")
    well.poll()
    ill.poll(refuse)
    missing.poll(reading(inverter("801000090001", 3.0, None)))
    worlds = (night, well, ill, missing, World(name="new"))
    now = datetime(2026, 6, 1, 12, 3).astimezone()
    failures = [("ill", ill.station.outcomes[-1])]
    fleet = fleet_json({world.name: world.station for world in worlds}, failures, now)
    check(fleet, "fleet")

    assert [(ecu["name"], ecu["level"]) for ecu in fleet["ecus"]] == [
        ("ill", "bad"),
        ("missing", "warn"),
        ("new", "warn"),
        ("well", "good"),
        ("night", "sleep"),
    ]
    assert [failure["error"] for failure in fleet["failures"]] == ["the ECU refuses the connection"]


def test_one_of_several_links_to_its_own() -> None:
    """The links of an ECU among others name it, escaped."""
    world = World(name="a&b c")
    links = status_json(world.station, among_others=True)["links"]

    assert links["fleet"] == "./"
    assert links["metrics"] == "probe?target=a%26b%20c"
    assert links["day"] == "api/v1/day?ecu=a%26b%20c"


def test_the_answer_costs_no_poll() -> None:
    """What is known is said; nobody is asked."""
    world = World(answer=WELL)
    status_json(world.station)
    day_json(world.station)

    assert world.polls == 0
