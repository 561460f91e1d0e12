"""The list `ecus`, modules, allowed targets: what they take, and in which words they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aps_exporter.config_checks import RESERVED_LABELS
from aps_exporter.config_entries import address_of
from aps_exporter.config_fleet import Configuration, json_schema, load_configuration
from aps_exporter.errors import ConfigError, TargetError
from aps_exporter.metrics.families import FAMILIES
from aps_exporter.metrics.pvoutput import PVOUTPUT_FAMILIES
from aps_exporter.targets import parse_target

KEY = "0123456789abcdef0123456789abcdef01234567"
NORTH = {"name": "north", "host": "10.0.0.1"}
SOUTH = {"name": "south", "host": "10.0.0.2"}

Load = Callable[..., Configuration]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Make a function that loads a file of these keys."""

    def load(overrides: Mapping[str, object] | None = None, **keys: object) -> Configuration:
        file = tmp_path / "config.json"
        file.write_text(json.dumps(keys))
        return load_configuration(file, overrides or {})

    return load


def problems(load: Load, **keys: object) -> list[str]:
    """List what is wrong with a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        load(**keys)
    return [line.partition("config.json: ")[2] or line for line in caught.value.problems]


def test_one_ecu_is_as_simple_as_before(load: Load) -> None:
    """A file with a host and no list is about one ECU, which is called by its address."""
    configuration = load(host="10.0.0.1:8080", timeout=3)

    assert configuration.single
    (ecu,) = configuration.ecus
    assert (ecu.name, ecu.host, ecu.timeout, ecu.labels) == (
        "10.0.0.1:8080",
        "10.0.0.1:8080",
        3,
        {},
    )
    assert configuration.ecu(None) is ecu


def test_keys_beside_the_list_are_defaults(load: Load) -> None:
    """An ECU has what its entry says, else what stands beside the list, else our default."""
    configuration = load(
        timeout=3, max_age=20, ecus=[NORTH, SOUTH | {"timeout": 9, "max_age": None}]
    )

    assert not configuration.single
    assert [(e.name, e.timeout, e.max_age) for e in configuration.ecus] == [
        ("north", 3, 20),
        ("south", 9, 20),
    ]


def test_sections_are_merged_key_by_key(load: Load, tmp_path: Path) -> None:
    """Many systems of one account share its key, and differ in their number."""
    common = {"publish": True, "api_key": KEY, "send_temp": False}
    (tmp_path / "other.key").write_text(KEY[::-1])
    configuration = load(
        pvoutput=common,
        ecus=[
            NORTH | {"pvoutput": {"system_id": 1, "send_temp": True}},
            SOUTH | {"pvoutput": {"system_id": 2, "api_key_file": "other.key"}},
            {"name": "west", "host": "10.0.0.3", "pvoutput": {"publish": False}},
        ],
    )
    north, south, west = (ecu.pvoutput for ecu in configuration.ecus)

    assert (north.system_id, north.send_temp, south.send_temp) == ("1", True, False)
    assert north.api_key is not None
    assert south.api_key is not None
    assert north.api_key.get_secret_value() == KEY
    assert south.api_key.get_secret_value() == KEY[::-1]
    assert not west.publish


def test_flags_beat_every_entry(load: Load, tmp_path: Path) -> None:
    """What the command line says holds for all ECUs."""
    configuration = load(
        {"timeout": "7", "state_dir": tmp_path / "flag", "pvoutput.send_temp": "no"},
        timeout=3,
        ecus=[NORTH | {"timeout": 4, "pvoutput": {"send_temp": True}, "state_dir": "own"}, SOUTH],
    )

    assert [ecu.timeout for ecu in configuration.ecus] == [7, 7]
    assert [ecu.pvoutput.send_temp for ecu in configuration.ecus] == [False, False]
    assert [ecu.state_dir for ecu in configuration.ecus] == [
        tmp_path / "flag" / "north",
        tmp_path / "flag" / "south",
    ]


def test_each_ecu_has_a_folder_of_its_own(load: Load, tmp_path: Path) -> None:
    """State is kept in `state_dir/NAME`, unless the entry says where; paths are the file's."""
    configuration = load(state_dir="state", ecus=[NORTH, SOUTH | {"state_dir": "elsewhere"}])

    assert [ecu.state_dir for ecu in configuration.ecus] == [
        tmp_path / "state" / "north",
        tmp_path / "elsewhere",
    ]


def test_labels_are_text(load: Load) -> None:
    """A label may be written as a number, and has its name and value as Prometheus wants them."""
    configuration = load(ecus=[NORTH | {"labels": {"site": "Süd 1", "kwp": 6.2, "roofs": 2}}])

    assert configuration.ecus[0].labels == {"site": "Süd 1", "kwp": "6.2", "roofs": "2"}


def test_labels_of_samples_are_reserved() -> None:
    """No label of a target can clash with one of a metric."""
    own = {label for family in FAMILIES for label in family.labels}
    own |= {label for family in PVOUTPUT_FAMILIES for label in family.labels}

    assert own | {"job", "instance", "version", "python_version"} <= RESERVED_LABELS


ONE_PROBLEM: list[tuple[dict[str, Any], str]] = [
    ({"ecus": {}}, "ecus: must be a list, in brackets"),
    ({"ecus": ["10.0.0.1"]}, "ecus.0: must be an object, in braces"),
    ({"ecus": [{"host": "10.0.0.1"}]}, "ecus.0.name: required"),
    ({"ecus": [{"name": "a"}]}, "ecus.0.host: required"),
    (
        {"ecus": [NORTH, SOUTH | {"host": "http://10.0.0.2/"}]},
        (
            'ecus.1.host: must be the address alone, not a URL: write "host": "10.0.0.2" '
            '(got "http://10.0.0.2/")'
        ),
    ),
    (
        {"ecus": [NORTH | {"tiemout": 5}]},
        "ecus.0.tiemout: unknown key; did you mean timeout?",
    ),
    (
        {"ecus": [NORTH | {"lables": {}}]},
        "ecus.0.lables: unknown key; did you mean labels?",
    ),
    ({"tiemout": 5, "ecus": [NORTH]}, "tiemout: unknown key; did you mean timeout?"),
    ({"ecu": [NORTH], "host": "x"}, "ecu: unknown key; did you mean ecus?"),
    (
        {"timeout": "soon", "ecus": [NORTH, SOUTH]},
        'timeout: must be a number (got "soon")',
    ),
    ({"host": "10.0.0.9", "ecus": [NORTH]}, "host: belongs to each of the ecus"),
    ({"panels": {}, "ecus": [NORTH]}, "panels: belongs to each of the ecus"),
    ({"ecus": [NORTH, SOUTH | {"name": "north"}]}, "ecus.1.name: is the name of ecus.0 already"),
    ({"ecus": [NORTH, SOUTH | {"name": "10.0.0.1"}]}, "ecus.1.name: is the host of ecus.0"),
    (
        {"ecus": [NORTH, SOUTH | {"host": "10.0.0.1:80"}]},
        "ecus.1.host: is the host of ecus.0 already",
    ),
    (
        {"ecus": [NORTH | {"name": "a/b"}]},
        'ecus.0.name: must be a name of letters, digits, dots, _ and - (got "a/b")',
    ),
    (
        {"ecus": [NORTH | {"name": ".."}]},
        'ecus.0.name: must be a name of letters, digits, dots, _ and - (got "..")',
    ),
    (
        {"ecus": [NORTH | {"labels": {"instance": "x"}}]},
        (
            "ecus.0.labels.instance: is a label that Prometheus or the metrics have already "
            '(got "instance")'
        ),
    ),
    (
        {"ecus": [NORTH | {"labels": {"__address__": "x"}}]},
        (
            "ecus.0.labels.__address__: must be a label: letters, digits and _, no digit or __ in "
            'front (got "__address__")'
        ),
    ),
    (
        {"ecus": [NORTH | {"labels": {"site": "a\nb"}}]},
        r'ecus.0.labels.site: must be one line of text (got "a\nb")',
    ),
    (
        {"ecus": [NORTH | {"labels": {"site": True}}]},
        "ecus.0.labels.site: must be text, in quotes (got true)",
    ),
    (
        {"ecus": [NORTH | {"pvoutput": {"publish": True, "api_key": KEY}}]},
        "ecus.0.pvoutput.system_id: required when publish is true",
    ),
    (
        {
            "pvoutput": {"publish": True, "api_key": KEY, "system_id": 7},
            "ecus": [NORTH, SOUTH],
        },
        "ecus.1.pvoutput.system_id: is the system of ecus.0 already",
    ),
    (
        {"scale_missing": True, "ecus": [NORTH | {"expected_count": 20}, SOUTH]},
        "ecus.1.expected_count: must be at least 1 when scale_missing is true",
    ),
    (
        {"ecus": [NORTH], "modules": {"m": {"host": "x"}}},
        "modules.m.host: can't be in a module",
    ),
    (
        {"ecus": [NORTH], "modules": {"m": {"tiemout": 1}}},
        "modules.m.tiemout: unknown key; did you mean timeout?",
    ),
    ({"ecus": [NORTH], "modules": {"m": 5}}, "modules.m: must be an object, in braces (got 5)"),
    (
        {"ecus": [NORTH], "modules": {"a b": {}}},
        'modules."a b": must be a name of letters, digits, dots, _ and - (got "a b")',
    ),
    (
        {"ecus": [NORTH], "allowed_targets": ["10.0.0.1/8"]},
        'allowed_targets.0: must be a whole network: did you mean 10.0.0.0/8? (got "10.0.0.1/8")',
    ),
    (
        {"ecus": [NORTH], "allowed_ports": [80, 65536]},
        "allowed_ports.1: must be a port from 1 to 65535 (got 65536)",
    ),
    ({"ecus": [NORTH], "allowed_ports": [True]}, "allowed_ports.0: must be a number (got true)"),
]


@pytest.mark.parametrize(("keys", "problem"), ONE_PROBLEM, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_one_line_with_its_path(
    load: Load, keys: dict[str, Any], problem: str
) -> None:
    """A mistake is told once, with the path of the key in which it is."""
    assert problems(load, **keys) == [problem]


def test_everything_wrong_is_told_at_once(load: Load) -> None:
    """Defaults, entries, modules and targets are all checked before anything is said."""
    found = problems(
        load,
        max_age=-1,
        ecus=[NORTH | {"timeout": 0}, {"name": "south"}],
        modules={"m": {"timeout": 0}},
        allowed_targets=["@"],
    )

    paths = ["allowed_targets.0", "modules.m.timeout", "max_age", "ecus.0.timeout", "ecus.1.host"]
    assert [line.partition(": ")[0] for line in found] == paths


def test_thousands_of_mistakes_are_not_all_told(load: Load) -> None:
    """What is wrong in every entry is told a hundred times, and then counted."""
    found = problems(load, ecus=[{"name": f"e{i}", "host": f"e{i}", "x": 1} for i in range(500)])

    assert len(found) == 101
    assert found[-1] == "ecus: 400 more problems like these"


def test_a_flag_that_is_wrong_is_no_mistake_of_the_file(load: Load) -> None:
    """The file isn't blamed for what the command line says, and no entry is either."""
    with pytest.raises(ConfigError) as caught:
        load({"timeout": "x"}, ecus=[NORTH, SOUTH])

    assert caught.value.problems == ('timeout: must be a number (got "x")',)


def test_secrets_are_in_no_message(load: Load) -> None:
    """A key shows neither in what is wrong nor in what is right."""
    account = {"publish": True, "api_key": KEY, "system_id": "x"}
    found = problems(load, pvoutput=account, ecus=[NORTH])
    configuration = load(pvoutput=account | {"system_id": 1}, ecus=[NORTH])

    assert KEY not in str(found)
    assert KEY not in repr(configuration)


def test_an_ecu_is_picked_by_name(load: Load) -> None:
    """Where there are several, one has to be named, and a typing error gets a hint."""
    configuration = load(ecus=[NORTH, SOUTH])

    assert configuration.ecu("south").host == "10.0.0.2"
    with pytest.raises(ConfigError, match="lists 2 ECUs: say --ecu NAME"):
        configuration.ecu(None)
    with pytest.raises(ConfigError, match="no ECU of that name; did you mean south"):
        configuration.ecu("soth")


def test_a_list_may_be_empty(load: Load) -> None:
    """An exporter may do nothing but probe what others discover."""
    configuration = load(ecus=[])

    assert configuration.ecus == ()
    assert not configuration.single


def test_a_module_lies_over_an_ecu(load: Load) -> None:
    """A module changes its own keys, and leaves what else the ECU has."""
    configuration = load(
        modules={"slow": {"timeout": 20}}, ecus=[NORTH | {"timezone": "Europe/Berlin"}]
    )
    ecu = configuration.with_module(configuration.ecus[0], "slow")

    assert (ecu.name, ecu.timeout, ecu.timezone) == ("north", 20, "Europe/Berlin")


def test_a_module_may_not_suit(load: Load) -> None:
    """What makes sense only with other keys is found when it meets an ECU without them."""
    configuration = load(modules={"scaled": {"scale_missing": True}}, ecus=[NORTH])

    with pytest.raises(TargetError, match="doesn't suit this ECU: expected_count: must be"):
        configuration.with_module(configuration.ecus[0], "scaled")
    with pytest.raises(TargetError, match="module is unknown; configured: scaled"):
        configuration.with_module(configuration.ecus[0], "other")


def test_strangers_have_the_defaults(load: Load) -> None:
    """An ECU that isn't listed has what suits any ECU, and nothing that is one ECU's own."""
    configuration = load(
        timeout=3,
        timezone="Europe/Berlin",
        expected_count=7,
        pvoutput={"publish": True, "api_key": KEY},
        ecus=[NORTH | {"pvoutput": {"system_id": 1}}],
    )
    alone = load(host="10.0.0.1", timeout=3, path="/x", expected_count=7)

    stranger = configuration.stranger(parse_target("10.0.0.9:8080"))
    assert (stranger.name, stranger.host) == ("10.0.0.9:8080", "10.0.0.9:8080")
    assert (stranger.timeout, stranger.timezone) == (3, "Europe/Berlin")
    assert (stranger.expected_count, stranger.pvoutput.publish) == (None, False)
    stranger = alone.stranger(parse_target("10.0.0.9"))
    assert (stranger.timeout, stranger.path, stranger.expected_count) == (3, None, None)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1:80", "10.0.0.1"),
        ("ECU.local.", "ecu.local"),
        ("[FD00:0:0::1]:8080", "[fd00::1]:8080"),
        ("127.1", "127.1"),
    ],
)
def test_an_address_is_written_in_one_way(host: str, address: str) -> None:
    """Two ways to write an address are recognised as the same ECU."""
    assert address_of(host) == address


def test_the_schema_knows_the_list() -> None:
    """What we take the schema takes, and what we refuse by its shape it refuses."""
    check = jsonschema.Draft202012Validator(json_schema())
    listed = {"ecus": [NORTH | {"labels": {"kwp": "6"}}], "modules": {"m": {"timeout": 9}}}

    assert check.is_valid(listed)
    assert check.is_valid({"host": "10.0.0.1", "allowed_targets": ["10.0.0.0/8"]})
    for wrong in (
        {},
        {"host": "x", "ecus": []},
        {"ecus": [{"name": "a"}]},
        {"ecus": [NORTH | {"x": 1}]},
        listed | {"modules": {"m": {"host": "x"}}},
    ):
        assert not check.is_valid(wrong), wrong


def test_thousands_of_ecus_load_fast(load: Load) -> None:
    """A list of 2 000 is loaded within a second or so, and shares what it can."""
    ecus = [{"name": f"e{i}", "host": f"10.0.{i >> 8}.{i & 255}"} for i in range(2000)]
    started = time.perf_counter()
    configuration = load(pvoutput={"send_temp": False}, ecus=ecus)

    assert time.perf_counter() - started < 3
    assert len({id(ecu.pvoutput) for ecu in configuration.ecus}) == 1
