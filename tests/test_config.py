"""The configuration: what it takes, what it refuses and in which words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from aps_exporter.config import (
    PVOutputSettings,
    Settings,
    default_state_dir,
    load_settings,
    warnings_of,
)
from aps_exporter.config_entries import FLEET_KEYS
from aps_exporter.config_fleet import json_schema
from aps_exporter.errors import ConfigError

KEY = "0123456789abcdef0123456789abcdef01234567"
PANEL = "408000012345-A"

ORIGINAL = """
{
  // where the ECU is
  "host": "192.168.1.50",
  "path": "/cgi-bin/parameters",   // the page with the table

  "scale_missing": true,
  "expected_count": 20,

  "pvoutput": {
    "publish": true,
    "api_key": "%s",
    "system_id": 12345,
    "send_temp": true,             // v5
    "send_voltage": true,          // v6
    "send_freq": false,
    "send_freq_key": "v11"
  }
}
"""

Write = Callable[[object], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make a function that writes a configuration file."""

    def write_(content: object) -> Path:
        file = tmp_path / "config.json"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write_


def settings_of(**keys: object) -> Settings:
    """Make settings of keys alone."""
    return load_settings(None, {"host": "192.168.1.102"} | keys)


def problems_with(file: Path | None, overrides: Mapping[str, object] | None = None) -> list[str]:
    """List what is wrong, with the file's name alone."""
    with pytest.raises(ConfigError) as caught:
        load_settings(file, overrides or {})
    assert all(line.isprintable() for line in caught.value.problems)
    folder = f"{file.parent}/" if file else ""
    return [line.removeprefix(folder) for line in caught.value.problems]


def problem_of(**keys: object) -> str:
    """Return the one thing that is wrong."""
    (problem,) = problems_with(None, {"host": "192.168.1.102"} | keys)
    return problem


# What a file says


def test_only_the_host_is_needed(write: Write) -> None:
    """A file with the host alone gives the defaults of everything else."""
    settings = load_settings(write({"host": "192.168.1.102"}), {})

    assert settings == Settings(host="192.168.1.102")
    assert settings.model_dump(exclude={"state_dir"}) == {
        "host": "192.168.1.102",
        "path": None,
        "interface": "auto",
        "tcp_port": 8899,
        "scale_missing": False,
        "expected_count": None,
        "timezone": None,
        "timeout": 5,
        "max_age": 10,
        "stale_after": 1800,
        "latitude": None,
        "longitude": None,
        "panels": {},
        "pvoutput": {
            "publish": False,
            "api_key_file": None,
            "api_key": None,
            "system_id": None,
            "send_temp": True,
            "send_voltage": True,
            "send_freq": False,
            "send_freq_key": "v11",
            "base_url": "https://pvoutput.org/service/r2",
            "interval": "auto",
            "donation": "auto",
            "energy": "none",
            "backfill_from_ecu": True,
        },
    }


def test_the_original_file_works_with_its_comments(write: Write) -> None:
    """The file of the script that came before is read as it stands."""
    settings = load_settings(write(ORIGINAL % KEY), {})

    assert settings.host == "192.168.1.50"
    assert settings.path == "/cgi-bin/parameters"
    assert (settings.scale_missing, settings.expected_count) == (True, 20)
    assert settings.pvoutput.publish
    assert settings.pvoutput.api_key == SecretStr(KEY)
    assert settings.pvoutput.system_id == "12345"


@pytest.mark.parametrize("section", [None, {}])
def test_an_empty_section_is_no_section(write: Write, section: object) -> None:
    """`null` and `{}` for PVOutput mean the same as nothing."""
    settings = load_settings(write({"host": "ecu", "pvoutput": section}), {})

    assert settings.pvoutput == PVOutputSettings()


def test_null_is_not_given(write: Write) -> None:
    """A key that is `null` has its default."""
    settings = load_settings(write({"host": "ecu", "timeout": None, "expected_count": None}), {})

    assert settings.timeout == 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(write: Write, encoding: str) -> None:
    """What Windows editors make of a file is read too."""
    content = '{"host": "ecu", "panels": {"408000012345-A": {"name": "Süd"}}}'

    settings = load_settings(write(content.encode(encoding)), {})

    assert settings.panels[PANEL].name == "Süd"


def test_a_file_may_name_its_schema(write: Write) -> None:
    """The key by which editors find the schema is not an unknown key."""
    assert load_settings(write({"$schema": "aps.json", "host": "ecu"}), {}).host == "ecu"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "config.json: line 1, column 1: expecting value"),
        ('{"host": "ecu",\n "path" 1}', "config.json: line 2, column 9: expecting ':' delimiter"),
        (
            '{"host": "ecu", // here\n "path": }',
            'config.json: line 2, column 10: unexpected "}"',
        ),
        ('{"host": "e\ncu"}', "config.json: line 1, column 12: invalid control character"),
        ("[1]", 'config.json: must hold one object, such as {"host": "192.168.1.102"}'),
        ("[" * 100_000, "config.json: is nested too deeply"),
        ("// c\n" + "[" * 100_000, "config.json: is nested too deeply"),
        (b'{"host": "\xff"}', "config.json: isn't UTF-8 text"),
    ],
)
def test_what_is_no_json(write: Write, content: str, problem: str) -> None:
    """A file that can't be parsed says where, by the parser that got further."""
    assert problems_with(write(content)) == [problem]


def test_a_number_of_endless_digits_is_a_problem(write: Write) -> None:
    """Python refuses to read a number of 5,000 digits, in one line."""
    (problem,) = problems_with(write('{"timeout": ' + "1" * 5000 + "}"))

    assert problem.startswith("config.json: Exceeds the limit")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a folder say so."""
    assert problems_with(tmp_path / "no.json") == [
        "no.json: can't be read: No such file or directory"
    ]
    assert problems_with(tmp_path) == [f"{tmp_path.name}: can't be read: Is a directory"]


def test_keys_given_twice(write: Write) -> None:
    """A key that stands twice is an error, because one of them is ignored."""
    content = '{"host": "a", "host": "b", "pvoutput": {"publish": 0, "publish": 1}}'

    problems = problems_with(write(content), {"pvoutput.publish": False})

    assert problems == [
        "config.json: host: given more than once",
        "pvoutput.publish: given more than once",
    ]


def test_all_problems_at_once(write: Write) -> None:
    """Every problem is told in one go, with its path, and in the words of the file."""
    content = {
        "hots": "192.168.1.102",
        "api_key": KEY,
        "path": "cgi-bin/parameters",
        "scale_missing": True,
        "timeout": True,
        "max_age": -1,
        "stale_after": "5 minutes",
        "panels": {"roof": {}, PANEL: {"nmae": "East 1", "name": 1}, "408000012345-B": []},
        "pvoutput": {
            "publish": "sure",
            "send_freq_key": "v3",
            "interval": 7,
            "donation": "perhaps",
            "energy": None,
            "host": "192.168.1.102",
        },
    }

    assert problems_with(write(content)) == [
        "config.json: host: required",
        (
            "config.json: path: must start with a slash: "
            'write "/cgi-bin/parameters" (got "cgi-bin/parameters")'
        ),
        "config.json: expected_count: must be at least 1 when scale_missing is true",
        "config.json: timeout: must be a number (got true)",
        "config.json: max_age: must be at least 0 (got -1)",
        'config.json: stale_after: must be a number (got "5 minutes")',
        (
            "config.json: panels.roof: must be a panel's id as the ECU prints it, "
            'such as 408000012345-A (got "roof")'
        ),
        "config.json: panels.408000012345-A.name: must be text, in quotes (got 1)",
        "config.json: panels.408000012345-A.nmae: unknown key; did you mean name?",
        "config.json: panels.408000012345-B: must be an object, in braces",
        'config.json: pvoutput.publish: must be true or false (got "sure")',
        'config.json: pvoutput.send_freq_key: must be one of v7, v8, v9, v10, v11, v12 (got "v3")',
        "config.json: pvoutput.interval: must be one of auto, 5, 10, 15 (got 7)",
        'config.json: pvoutput.donation: must be auto, true or false (got "perhaps")',
        "config.json: pvoutput.host: unknown key; did you mean host?",
        "config.json: hots: unknown key; did you mean host?",
        "config.json: api_key: unknown key; did you mean pvoutput.api_key?",
    ]


def test_keys_that_are_like_nothing(write: Write) -> None:
    """A key without a likeness gets no suggestion, and odd ones are quoted and cut."""
    problems = problems_with(write({"host": "ecu", "x\ny": 1, "z" * 99: 2}))

    assert problems == [
        'config.json: "x\\ny": unknown key',
        f"config.json: {'z' * 99}: unknown key",
    ]


# Values


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("192.168.1.102", "http://192.168.1.102"),
        (" 192.168.1.102 ", "http://192.168.1.102"),
        ("192.168.1.102:8080", "http://192.168.1.102:8080"),
        ("ecu", "http://ecu"),
        ("ecu_roof.fritz.box.", "http://ecu_roof.fritz.box."),
        ("ECU-3.local:80", "http://ECU-3.local:80"),
        ("4th-roof", "http://4th-roof"),
        ("fd00::102", "http://[fd00::102]"),
        ("[fd00::102]", "http://[fd00::102]"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("::ffff:192.168.1.102", "http://[::ffff:192.168.1.102]"),
    ],
)
def test_hosts(host: str, base_url: str) -> None:
    """Addresses and names, with and without a port, become the ECU's web site."""
    assert settings_of(host=host).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "",
        "192.168.1.300",
        "192.168.1",
        "3232235878",
        "ecu roof",
        "ecu\nroof",
        "-ecu",
        "ecu-",
        "a..b",
        ".ecu",
        "ecu:",
        "ecu:http",
        "ecu:80:80",
        "[192.168.1.102]",
        "[fd00::102",
        "fd00::102::1",
        "fe80::1%eth0",
        "a" * 64,
        "a." * 130 + "a",
        "zonnedak-ü",
    ],
)
def test_what_is_no_host(host: str) -> None:
    """A text that is neither address nor name is refused, with examples."""
    assert problem_of(host=host).startswith(
        "host: must be an IP address or a name, with :port where needed, such as 192.168.1.102"
    )


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_end(port: str) -> None:
    """Ports go from 1 to 65535."""
    assert problem_of(host=f"ecu:{port}") == (
        f'host: has a port outside 1 to 65535 (got "ecu:{port}")'
    )


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("http://192.168.1.102", ': write "host": "192.168.1.102"'),
        ("http://192.168.1.102/", ': write "host": "192.168.1.102"'),
        (
            "http://ecu:8080/index.php/realtimedata",
            ': write "host": "ecu:8080" and "path": "/index.php/realtimedata"',
        ),
        ("192.168.1.102/cgi-bin/x", ': write "host": "192.168.1.102" and "path": "/cgi-bin/x"'),
        ("https://[fd00::102]:443", ': write "host": "[fd00::102]:443"'),
        ("http://", ""),
        ("http://[fd00", ""),
        ("http://ecu:port/", ""),
        ("http://e cu/", ""),
    ],
)
def test_a_url_is_no_host(host: str, advice: str) -> None:
    """Who gives a URL is told what to write instead."""
    assert problem_of(host=host) == (
        f"host: must be the address alone, not a URL{advice} (got {json.dumps(host)})"
    )


@pytest.mark.parametrize("host", ["http://admin:hunter2@ecu/x", "admin:hunter2@ecu"])
def test_a_password_in_a_url_stays_secret(host: str) -> None:
    """Nobody reads a URL's password in an error."""
    problem = problem_of(host=host)

    assert problem.startswith('host: must be the address alone, not a URL: write "host": "ecu"')
    assert "hunter2" not in problem


@pytest.mark.parametrize("path", ["/cgi-bin/parameters", "/index.php/realtimedata?x=1", "/"])
def test_paths(path: str) -> None:
    """A path begins with a slash."""
    assert settings_of(path=path).path == path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("index.php", 'must start with a slash: write "/index.php"'),
        ("http://ecu/cgi-bin/x", 'must be a path, not a URL: write "/cgi-bin/x"'),
        ("http://ecu", 'must be a path, not a URL: write "/"'),
        ("/a b", "must be a plain path, without blanks, accents or #"),
        ("/ü", "must be a plain path, without blanks, accents or #"),
        ("/a\r\nHost: b", "must be a plain path, without blanks, accents or #"),
        ("/a#b", "must be a plain path, without blanks, accents or #"),
    ],
)
def test_what_is_no_path(path: str, problem: str) -> None:
    """What isn't a plain path is refused."""
    assert problem_of(path=path) == f"path: {problem} (got {json.dumps(path, ensure_ascii=False)})"


@pytest.mark.parametrize(
    ("value", "meant"),
    [(value, True) for value in (True, 1, "true", "YES", "On", "y", "1", "T")]
    + [(value, False) for value in (False, 0, "false", "NO", "Off", "n", "0", "F")],
    ids=repr,
)
def test_booleans(value: object, *, meant: bool) -> None:
    """Everything that the original took for yes or no, and `on` and `y` too, is a boolean."""
    settings = settings_of(expected_count=4, scale_missing=value, **{"pvoutput.donation": value})

    assert settings.scale_missing is meant
    assert settings.pvoutput.donation is meant


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("timeout", "2.5", 2.5),
        ("timeout", 60, 60),
        ("max_age", 0, 0),
        ("stale_after", 60, 60),
        ("expected_count", "20", 20),
        ("expected_count", 20.0, 20),
        ("expected_count", 0, None),
        ("timezone", "Europe/Amsterdam", "Europe/Amsterdam"),
    ],
)
def test_values(key: str, value: object, meant: object) -> None:
    """Numbers come as numbers and, from the environment, as text."""
    assert getattr(settings_of(**{key: value}), key) == meant


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("timeout", 0, "must be at least 0.5 (got 0)"),
        ("timeout", 61, "must be at most 60 (got 61)"),
        ("timeout", float("nan"), "must be a finite number (got NaN)"),
        ("max_age", "inf", 'must be a finite number (got "inf")'),
        ("max_age", 301, "must be at most 300 (got 301)"),
        ("stale_after", 30, "must be at least 60 (got 30)"),
        ("stale_after", 10**6, "must be at most 86400 (got 1000000)"),
        ("stale_after", [], "must be a number"),
        ("expected_count", -1, "must be at least 0 (got -1)"),
        ("expected_count", 2.5, "must be a whole number (got 2.5)"),
        ("expected_count", "many", 'must be a whole number (got "many")'),
        ("expected_count", 10**30, f"must be at most 100000 (got 1{'0' * 30})"),
        ("panels", [], "must be an object, in braces"),
        ("host", 5, "must be text, in quotes (got 5)"),
        ("path", {}, "must be text, in quotes"),
        ("state_dir", 5, "must be text, in quotes (got 5)"),
        ("state_dir", "a\0b", 'must be a path without control characters (got "a\\u0000b")'),
        ("timezone", "Mars", 'must be a time zone such as Europe/Amsterdam (got "Mars")'),
        (
            "timezone",
            "europe/berln",
            (
                "must be a time zone such as Europe/Amsterdam; did you mean Europe/Berlin?"
                ' (got "europe/berln")'
            ),
        ),
        ("timezone", "Europe", 'must be a time zone such as Europe/Amsterdam (got "Europe")'),
        (
            "timezone",
            "../etc/passwd",
            'must be a time zone such as Europe/Amsterdam (got "../etc/passwd")',
        ),
        (
            "timezone",
            "/no/zone",
            'must be a time zone such as Europe/Amsterdam (got "/no/zone")',
        ),
        (
            "timezone",
            "nowhere " * 9,
            (
                "must be a time zone such as Europe/Amsterdam"
                ' (got "nowhere nowhere nowhere nowhere nowhere nowhere nowhere now…)'
            ),
        ),
    ],
)
def test_values_out_of_bounds(key: str, value: object, problem: str) -> None:
    """A value that makes no sense is refused in one line that quotes it."""
    assert problem_of(**{key: value}) == f"{key}: {problem}"


@pytest.mark.parametrize("count", [None, 0, "0"], ids=repr)
def test_scaling_needs_a_number(count: object) -> None:
    """Scaling without a number to scale to is an error, not a traceback."""
    problem = problem_of(scale_missing=True, expected_count=count)

    assert problem.startswith("expected_count: must be at least 1 when scale_missing is true")


@pytest.mark.parametrize(
    "panel", [PANEL, "408000012345-4", "INV-XXXX-A", "801000090001", "801-000-b"]
)
def test_panel_ids(panel: str) -> None:
    """A panel's id ends in its channel; a YC250's has none."""
    settings = settings_of(panels={panel: {"name": "East 1", "group": "east"}})

    assert settings.panels[panel].name == "East 1"
    assert settings.panels[panel].group == "east"


@pytest.mark.parametrize("panel", ["", "A", "-A", "408000012345A", "4080 00012345-A", "x-AB"])
def test_what_is_no_panel_id(panel: str) -> None:
    """A key that can't be a panel is an error: nobody would ever see it report."""
    assert "must be a panel's id as the ECU prints it" in problem_of(panels={panel: {}})


def test_a_panel_needs_no_name() -> None:
    """A panel without name or group still belongs to the roster."""
    panels = settings_of(panels={PANEL: None}).panels

    assert dict(panels).keys() == {PANEL}
    assert (panels[PANEL].name, panels[PANEL].group) == (None, "")


def test_settings_are_frozen() -> None:
    """Nobody changes settings that others read at the same time."""
    settings = settings_of()

    with pytest.raises(ValidationError):
        settings.host = "elsewhere"


# PVOutput

PUBLISH = {"pvoutput.publish": True, "pvoutput.api_key": KEY, "pvoutput.system_id": 12345}


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("interval", "10", 10),
        ("interval", 15, 15),
        ("interval", "auto", "auto"),
        ("donation", "AUTO", "auto"),
        ("energy", "daily", "daily"),
        ("send_freq_key", "v7", "v7"),
        ("system_id", "12345", "12345"),
        ("system_id", " 12345\n", "12345"),
        ("api_key", f" {KEY}\n", SecretStr(KEY)),
        ("base_url", "http://127.0.0.1:8080/r2/", "http://127.0.0.1:8080/r2"),
        ("base_url", "http://[::1]:8080", "http://[::1]:8080"),
        ("base_url", "http://localhost/r2", "http://localhost/r2"),
        ("base_url", "https://pvoutput.example/", "https://pvoutput.example"),
    ],
)
def test_pvoutput_values(key: str, value: object, meant: object) -> None:
    """Each key of the section takes effect."""
    settings = settings_of(**PUBLISH | {f"pvoutput.{key}": value})

    assert getattr(settings.pvoutput, key) == meant


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("api_key", "", "required when publish is true (or api_key_file)"),
        ("api_key", "two words", "must be one word of plain letters and digits"),
        ("api_key", "a\r\nX-Other: b", "must be one word of plain letters and digits"),
        ("api_key", 12345, "must be text, in quotes"),
        ("system_id", "", "required when publish is true"),
        (
            "system_id",
            "My roof",
            'must be the system\'s number, digits only, not its name (got "My roof")',
        ),
        ("system_id", KEY, "must be the system's number, digits only, not its name"),
        ("system_id", True, "must be text, in quotes (got true)"),
        ("system_id", -5, "must be the system's number, digits only, not its name (got -5)"),
        ("send_freq_key", KEY, "must be one of v7, v8, v9, v10, v11, v12"),
        (
            "base_url",
            "http://pvoutput.org/service/r2",
            (
                "must begin with https:// (the API key would travel in clear)"
                ' (got "http://pvoutput.org/service/r2")'
            ),
        ),
        (
            "base_url",
            "http://192.168.1.5",
            (
                "must begin with https:// (the API key would travel in clear)"
                ' (got "http://192.168.1.5")'
            ),
        ),
        ("base_url", "https://me:hunter2@pvoutput.org", "must be a URL without user, ? and #"),
        (
            "base_url",
            "https://pvoutput.org?a=b",
            'must be a URL without user, ? and # (got "https://pvoutput.org?a=b")',
        ),
        (
            "base_url",
            "pvoutput.org",
            'must be a URL such as https://pvoutput.org/service/r2 (got "pvoutput.org")',
        ),
        (
            "base_url",
            "https://[::1",
            'must be a URL such as https://pvoutput.org/service/r2 (got "https://[::1")',
        ),
    ],
)
def test_pvoutput_problems(key: str, value: object, problem: str) -> None:
    """What can't be sent is refused before anything is sent, and the key is never shown."""
    shown = problem_of(**PUBLISH | {f"pvoutput.{key}": value})

    assert shown == f"pvoutput.{key}: {problem}"
    assert KEY not in shown


def test_publishing_needs_key_and_id() -> None:
    """Publishing asks for the key and the system's number."""
    assert problems_with(None, {"host": "ecu", "pvoutput.publish": "on"}) == [
        "pvoutput.api_key: required when publish is true (or api_key_file)",
        "pvoutput.system_id: required when publish is true",
    ]


def test_placeholders_do_no_harm_while_nothing_is_published(write: Write) -> None:
    """Who doesn't publish may leave the example's placeholders, and a file that isn't there."""
    section = {"api_key": "", "system_id": "YOUR_SYSTEM_ID", "api_key_file": "nowhere"}

    settings = load_settings(write({"host": "ecu", "pvoutput": section}), {})

    assert settings.pvoutput.api_key is None
    assert warnings_of(settings) == ()


def test_the_key_comes_from_a_file_beside_the_configuration(write: Write, tmp_path: Path) -> None:
    """A relative name means the configuration's folder, and blanks around the key go."""
    (tmp_path / "key").write_text(f"\n {KEY} \r\n")
    section = {"publish": True, "api_key_file": "key", "system_id": 12345}

    settings = load_settings(write({"host": "ecu", "pvoutput": section}), {})

    assert settings.pvoutput.api_key == SecretStr(KEY)
    assert settings.pvoutput.api_key_file == tmp_path / "key"


def test_the_key_comes_through_a_pipe() -> None:
    """A password manager's output (`<(pass show …)` in a shell) can be the file."""
    end, start = os.pipe()
    os.write(start, KEY.encode())
    os.close(start)
    keys = {"pvoutput.api_key": None, "pvoutput.api_key_file": f"/dev/fd/{end}"}

    settings = settings_of(**PUBLISH | keys)
    os.close(end)

    assert settings.pvoutput.api_key == SecretStr(KEY)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two words", "must hold the key and nothing else"),
        ("schlüssel".encode(), "must hold the key and nothing else"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_key_files_without_a_key(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """A key file that holds no key is named."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    shown = problem_of(**PUBLISH | {"pvoutput.api_key": None, "pvoutput.api_key_file": str(file)})

    assert shown.startswith(f"pvoutput.api_key_file: {problem}")


def test_the_key_is_not_its_own_file() -> None:
    """Who gives the key as the file's name is told so, without showing it."""
    shown = problem_of(**PUBLISH | {"pvoutput.api_key": None, "pvoutput.api_key_file": KEY})

    assert shown == (
        "pvoutput.api_key_file: must name a file, not be the key, which belongs in api_key"
    )


def test_two_keys_are_one_too_many(write: Write) -> None:
    """Which of two keys is meant, nobody can know."""
    section = {"publish": True, "api_key": KEY, "api_key_file": "key", "system_id": 12345}

    assert problems_with(write({"host": "ecu", "pvoutput": section})) == [
        "config.json: pvoutput.api_key: give either api_key or api_key_file, not both"
    ]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_key_file_that_everybody_can_read(tmp_path: Path, mode: int, *, warned: bool) -> None:
    """A key file that is open to all works, with a warning."""
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(mode)
    keys = {"pvoutput.api_key": None, "pvoutput.api_key_file": file}
    settings = settings_of(**PUBLISH | keys)

    assert [f"everybody on this machine can read {file}" in w for w in warnings_of(settings)] == (
        [True] if warned else []
    )


def test_a_key_file_that_has_gone_needs_no_warning(tmp_path: Path) -> None:
    """The warning is about a file; without one there is none."""
    file = tmp_path / "key"
    file.write_text(KEY)
    settings = settings_of(**PUBLISH | {"pvoutput.api_key": None, "pvoutput.api_key_file": file})
    file.unlink()

    assert warnings_of(settings) == ()


@pytest.mark.parametrize(
    "section",
    [
        KEY,
        "short-key",
        [KEY],
        {"publish": True, "api_key": {"key": KEY}},
        {"publish": True, "api_key": f"{KEY} {KEY}"},
        {"publish": True, "apikey": KEY},
        {"publish": True, "api_key": KEY, "system_id": KEY, "energy": KEY, "interval": KEY},
        {"publish": KEY, "api_key": KEY, "api_key_file": KEY},
    ],
)
def test_no_error_shows_the_key(write: Write, section: object) -> None:
    """Wherever the key stands, no error repeats it, nor do pydantic's own."""
    text = "\n".join(problems_with(write({"host": "ecu", "pvoutput": section})))
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"host": "ecu", "pvoutput": section})

    assert "pvoutput" in text
    for shown in (text, str(caught.value)):
        assert KEY not in shown
        assert "short-key" not in shown


def test_no_repr_shows_the_key() -> None:
    """Settings can be logged."""
    settings = settings_of(**PUBLISH)

    assert KEY not in f"{settings!r} {settings} {settings.model_dump_json()}"


# What beats the file


def test_flags_beat_the_file(write: Write) -> None:
    """What is given outside replaces the file's key; `None` is not given."""
    file = write({"host": "ecu", "timeout": 3, "pvoutput": None})
    overrides = {"host": "127.0.0.1:8080", "timeout": None, "pvoutput.interval": "10"}

    settings = load_settings(file, overrides)

    assert settings.host == "127.0.0.1:8080"
    assert settings.timeout == 3
    assert settings.pvoutput.interval == 10


def test_holding_publishing_back(write: Write) -> None:
    """With publishing off from outside, nobody needs to be able to read the key."""
    section = {"publish": True, "api_key_file": "unreadable", "system_id": 1}

    settings = load_settings(
        write({"host": "ecu", "pvoutput": section}), {"pvoutput.publish": False}
    )

    assert not settings.pvoutput.publish


@pytest.mark.parametrize(
    ("inside", "outside"), [("api_key", "api_key_file"), ("api_key_file", "api_key")]
)
def test_a_key_from_outside_beats_any_in_the_file(
    write: Write, tmp_path: Path, inside: str, outside: str
) -> None:
    """A key from the environment replaces the file's key, whichever way either is given."""
    (tmp_path / "key").write_text(KEY)
    value = {"api_key": "other", "api_key_file": "other"}[inside]
    section = {"publish": True, inside: value, "system_id": 1}
    given = {"api_key": KEY, "api_key_file": tmp_path / "key"}[outside]

    settings = load_settings(
        write({"host": "ecu", "pvoutput": section}), {f"pvoutput.{outside}": given}
    )

    assert settings.pvoutput.api_key == SecretStr(KEY)


def test_problems_outside_do_not_blame_the_file(write: Write) -> None:
    """The file's name stands only before what the file says."""
    problems = problems_with(write({"host": "ecu", "path": "x"}), {"timeout": "soon"})

    assert problems == [
        'config.json: path: must start with a slash: write "/x" (got "x")',
        'timeout: must be a number (got "soon")',
    ]


def test_a_flag_cannot_mend_a_section_that_is_none(write: Write) -> None:
    """A section that is no object stays the problem that it is."""
    problems = problems_with(write({"host": "ecu", "pvoutput": "on"}), {"pvoutput.publish": True})

    assert problems == ["config.json: pvoutput: must be an object, in braces"]


# Where state lives


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/x", "XDG_STATE_HOME": "/s"}, "/var/lib/x"),
        ({"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"}, "/var/lib/x"),
        ({"XDG_STATE_HOME": "/s"}, "/s/aps-exporter"),
        ({"XDG_STATE_HOME": "relative"}, "~/.local/state/aps-exporter"),
        ({}, "~/.local/state/aps-exporter"),
    ],
)
def test_default_state_dir(environ: dict[str, str], folder: str) -> None:
    """State lives where the service manager says, else in the user's state folder."""
    assert default_state_dir(environ) == Path(folder).expanduser()


def test_a_user_without_a_home_keeps_state_with_the_system() -> None:
    """A container's user that nobody knows has the system's folder."""
    script = (
        "import os, pwd\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "from aps_exporter.config import default_state_dir\n"
        "print(default_state_dir({}))"
    )
    environ = {key: value for key, value in os.environ.items() if key != "HOME"}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environ, check=True, capture_output=True, text=True
    )

    assert run.stdout == "/var/lib/aps-exporter\n"


def test_state_dir_of_a_file_is_relative_to_it(write: Write, tmp_path: Path) -> None:
    """A relative folder in a file is beside the file, and `~` is the user's home."""
    assert load_settings(write({"host": "ecu", "state_dir": "s"}), {}).state_dir == tmp_path / "s"
    assert settings_of(state_dir="~/s").state_dir == Path.home() / "s"


# For editors


def test_the_schema_describes_every_key() -> None:
    """Editors learn each key, what it is for, and that there are no others."""
    schema = json.loads(json.dumps(json_schema()))
    sections = [schema, *schema["$defs"].values()]

    assert schema["properties"].keys() == {*Settings.model_fields, *FLEET_KEYS, "$schema"}
    assert all(section["additionalProperties"] is False for section in sections)
    assert all(p["description"] for section in sections for p in section["properties"].values())
    assert schema["properties"]["timeout"]["maximum"] == 60
    key = schema["$defs"]["PVOutputSettings"]["properties"]["api_key"]
    assert key["anyOf"][0] == {"format": "password", "type": "string", "writeOnly": True}


def test_importing_is_light() -> None:
    """A plain JSON configuration needs neither the JSON5 parser nor pydantic's network types."""
    script = (
        "import sys\n"
        "from aps_exporter.config import load_settings\n"
        "load_settings(None, {'host': 'ecu'})\n"
        "print(sorted({'json5', 'pydantic.networks', 'requests', 'email_validator'}"
        " & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert run.stdout == "[]\n"
