"""The command line as a user has it: real processes, their output, exit codes, one-line errors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aps_exporter import __version__
from aps_exporter.cli import aps_exporter
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings

GOLDEN = Path(__file__).parent / "golden" / "help"
RENEW = "APS_EXPORTER_RENEW_GOLDEN"
"""Set to 1, this makes the tests write the golden files instead of comparing with them."""
PATIENCE_S = 30.0
ORIGINAL = """
{
  // The ECU
  "host": "192.168.1.102",
  "scale_missing": "no",
  "expected_count": 20,
  "pvoutput": {"publish": false, "api_key": "", "system_id": ""}  // not yet
}
"""


def commands(group: click.Group = aps_exporter, *path: str) -> Iterator[tuple[str, ...]]:
    """Give the words of every command, groups included, beginning with none at all."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


HELP = {"-".join(("aps-exporter", *words)): words for words in commands()}
"""Golden file → the words of its command."""


def environment(**more: str) -> dict[str, str]:
    """Give our environment without what would set options, and with `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("APS_")}
    return {**clean, **more}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; a traceback on stderr is never right."""
    done = subprocess.run(
        [sys.executable, "-m", "aps_exporter", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(**variables),
    )
    assert "Traceback" not in done.stderr
    return done


@contextlib.contextmanager
def running(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program beside the test; it is killed when it should have ended long ago."""
    with subprocess.Popen(
        [sys.executable, "-m", "aps_exporter", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    ) as process:
        guard = threading.Timer(PATIENCE_S, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def url_on(line: str) -> str:
    """Find the URL on a line of output."""
    return next(word for word in line.split() if word.startswith("http://"))


def status_of(url: str) -> int:
    """GET a URL, and give the status of the answer."""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310  # a URL of ours
        status: int = answer.status
        return status


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test remember what another has seen, or write into the user's home."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture(scope="module")
def ecu() -> Iterator[Simulator]:
    """Simulate an ECU in the zone where it is noon right now, on the equator."""
    offset = (datetime.now(UTC).hour - 12 + 12) % 24 - 12
    settings = SimulatorSettings(
        family="cgi",
        inverters=2,
        timezone=f"Etc/GMT{offset:+d}",
        longitude=-15.0 * offset,
        latitude=0.0,
        speed=0.0,
    )
    with Simulator(settings) as simulator:
        yield simulator


@pytest.fixture
def taken() -> Iterator[int]:
    """Have a port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("name", HELP)
def test_help_is_as_it_was(name: str) -> None:
    """A change of the options or of their help is a change of a golden file, for all to see."""
    golden = GOLDEN / f"{name}.txt"
    result = CliRunner().invoke(
        aps_exporter, [*HELP[name], "--help"], prog_name="aps-exporter", terminal_width=80
    )
    if os.environ.get(RENEW) == "1":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(result.output, encoding="utf-8")

    assert result.exit_code == 0
    assert golden.is_file(), f"set {RENEW}=1 once to write it"
    assert result.output == golden.read_text(encoding="utf-8")


def test_no_golden_outlives_its_command() -> None:
    """Each golden file is some command's."""
    assert {file.stem for file in GOLDEN.iterdir()} <= HELP.keys()


@pytest.mark.parametrize("words", HELP.values(), ids=HELP)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    """The help of every command but of groups shows how it is called, in words that there are."""
    text = CliRunner().invoke(aps_exporter, [*words, "--help"], terminal_width=80).output
    examples = [line.split()[1:] for line in text.splitlines() if line.startswith("      aps-")]

    is_group = any(other[:-1] == words for other in HELP.values() if other)
    assert examples or is_group
    for example in examples:
        assert tuple(example[: len(words)]) == words


def test_without_a_command_there_is_help() -> None:
    """Who types nothing but the name is shown what there is, and has made no mistake."""
    done = run(COLUMNS="80")

    assert done.returncode == 0
    assert done.stdout == (GOLDEN / "aps-exporter.txt").read_text(encoding="utf-8")
    assert done.stderr == ""


def test_version() -> None:
    """The program says which version it is."""
    assert run("--version").stdout == f"aps-exporter, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("bogus", "No such command 'bogus'. See --help."),
        ("serve --nope", "No such option '--nope'. See --help."),
        ("check --hots x", "No such option '--hots'. Did you mean '--host'? See --help."),
        ("serve", "no ECU is given: say --host ADDRESS or --config FILE"),
        ("read", "no ECU is given: say --host ADDRESS or --config FILE"),
        (
            "read --host http://192.168.1.102/cgi-bin/parameters",
            (
                'host: must be the address alone, not a URL: write "host": "192.168.1.102" '
                'and "path": "/cgi-bin/parameters" (got "http://192.168.1.102/cgi-bin/parameters")'
            ),
        ),
        ("read --host a --timeout soon", 'timeout: must be a number (got "soon")'),
        (
            "read --host a --scale-missing",
            "expected_count: must be at least 1 when scale_missing is true",
        ),
        (
            "serve --host a --listen 10025",
            "listen address '10025': want HOST:PORT, such as [::]:10025, or unix:PATH",
        ),
        (
            "serve --host a --log-level loud",
            (
                "Invalid value for '--log-level': 'loud' is not one of 'debug', 'info', 'warning', "
                "'error'. See --help."
            ),
        ),
        (
            "simulate --inverters many",
            "Invalid value for '--inverters': 'many' is not a valid integer. See --help.",
        ),
        ("simulate --inverters 0", "inverters: must be 1 to 2000"),
        (
            "simulate --fault inverter-silent",
            "inverter-silent needs a serial of twelve digits, or all, as in inverter-silent=…",
        ),
        (
            "demo --timezone Mars/Olympus",
            "timezone: 'Mars/Olympus' is not a known zone",
        ),
    ],
)
def test_wrong_options_are_one_line(arguments: str, said: str) -> None:
    """Every mistake on the command line is one line that says what is wrong; the exit code is 1."""
    done = run(*arguments.split())

    assert done.stderr == f"aps-exporter: {said}\n"
    assert done.stdout == ""
    assert done.returncode == 1


@pytest.mark.parametrize("fault", ["gremlins", "inverter-silent=999999999999"])
def test_impossible_fault_names_the_possible_ones(fault: str) -> None:
    """A fault that there isn't, or for nobody on this roof, is answered with what there is."""
    done = run("simulate", "--port", "0", "--fault", fault)

    assert done.returncode == 1
    assert done.stderr.startswith("aps-exporter: ")
    assert done.stderr.count("\n") == 1
    assert "inverter-never-contacted" in done.stderr or "801000090001-1" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"host": "a",\n  "timeout" 3}', "line 2, column 13: expecting ':' delimiter"),
        ('{"host": "a", "tiemout": 3}', "tiemout: unknown key; did you mean timeout?"),
        (
            '{"host": "a", "scale_missing": true}',
            "expected_count: must be at least 1 when scale_missing is true",
        ),
        ("[]", 'must hold one object, such as {"host": "192.168.1.102"}'),
        ("", "line 1, column 1: expecting value"),
    ],
)
def test_wrong_file_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    """A mistake in the file is told with the file's name and where in it; the exit code is 1."""
    file = tmp_path / "config.json"
    file.write_text(content)
    done = run("read", "--config", str(file))

    assert done.stderr == f"aps-exporter: {file}: {said}\n"
    assert done.returncode == 1


def test_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """A file that is absent or a folder is told with the system's reason; the exit code is 1."""
    absent = tmp_path / "absent.json"

    for path, why in ((absent, "No such file or directory"), (tmp_path, "Is a directory")):
        done = run("serve", "--config", str(path))
        assert done.stderr == f"aps-exporter: {path}: can't be read: {why}\n"
        assert done.returncode == 1


def test_check_lists_every_problem(tmp_path: Path) -> None:
    """Several mistakes are several lines, in one go."""
    file = tmp_path / "config.json"
    file.write_text('{"host": "ecu:0", "timeout": 0, "pvoutput": {"publish": true}, "pats": "/"}')
    done = run("check", str(file))
    keys = [line.split(": ")[2] for line in done.stderr.splitlines()]

    assert done.returncode == 1
    assert sorted(keys) == ["host", "pats", "pvoutput.api_key", "pvoutput.system_id", "timeout"]
    assert done.stdout == ""


def test_the_original_file_is_fine(tmp_path: Path) -> None:
    """The original script's file, with its comments and its yes and no, needs no change."""
    file = tmp_path / "config.json"
    file.write_text(ORIGINAL)
    done = run("check", str(file))

    assert done.returncode == 0
    assert done.stdout == "The configuration is fine; the ECU is 192.168.1.102.\n"
    assert done.stderr == ""


def test_schema_is_json() -> None:
    """`check --schema` prints a JSON schema, without needing a configuration."""
    done = run("check", "--schema")

    assert done.returncode == 0
    assert json.loads(done.stdout)["oneOf"] == [{"required": ["host"]}, {"required": ["ecus"]}]


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    """What is nearer to the command counts."""
    file = tmp_path / "config.json"
    file.write_text('{"host": "from-the-file"}')
    said = "The configuration is fine; the ECU is from-the-{}.\n"
    variables = {"APS_EXPORTER_CHECK_HOST": "from-the-environment"}
    flag = ("--host", "from-the-flag")

    assert run("check", str(file)).stdout == said.format("file")
    assert run("check", str(file), **variables).stdout == said.format("environment")
    assert run("check", str(file), *flag, **variables).stdout == said.format("flag")


def test_environment_does_without_a_file() -> None:
    """Every option has its variable, that of one command is none of another's."""
    problem = run("read", APS_EXPORTER_READ_HOST="a/b", APS_EXPORTER_SERVE_HOST="c")
    nothing = run("serve", APS_EXPORTER_READ_HOST="a")
    switch = run("check", APS_EXPORTER_CHECK_HOST="a", APS_EXPORTER_CHECK_SCALE_MISSING="yes")
    section = run("check", "--host", "a", APS_EXPORTER_CHECK_PVOUTPUT_PUBLISH="yes")

    assert problem.stderr.startswith("aps-exporter: host: must be the address alone")
    assert nothing.stderr.startswith("aps-exporter: no ECU is given")
    assert switch.stderr.startswith("aps-exporter: expected_count: must be at least 1")
    assert section.stderr.startswith("aps-exporter: pvoutput.api_key: required")


def test_read_prints_the_original_form(ecu: Simulator) -> None:
    """`read` prints every panel in the page's order, counts, sums, means, and what it sent."""
    panels = [(i, channel) for i in ecu.shown().inverters for channel in i.channels]
    total = sum(channel.power_w or 0 for _, channel in panels)
    volts = statistics.mean(i.grid_voltages[0].voltage_v for i, _ in panels)
    celsius = statistics.mean(i.temperature_c or 0 for i, _ in panels)
    hertz = statistics.mean(i.grid_frequency_hz or 0 for i, _ in panels)
    done = run("read", "--host", ecu.host, "--expected-count", "5", "--scale-missing")

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"Data source: {ecu.url}/cgi-bin/parameters",
        "",
        *(f"{channel.id}: {channel.power_w:.0f} W" for _, channel in panels),
        "",
        "Received panels: 4 / expected 5",
        f"Raw total power: {total:.0f} W",
        f"Estimated total (scaled for missing panels): {round(total / 4 * 5)} W",
        f"Avg voltage: {volts:.1f} V",
        f"Avg temp: {celsius:.1f} °C",
        f"Avg frequency: {hertz:.2f} Hz",
        "",
        "Publishing skipped (pvoutput.publish=no).",
    ]


def test_state_folder_that_cannot_be_is_no_reason_not_to_read(ecu: Simulator) -> None:
    """Who can't remember can read all the same; what is wrong with the folder is said."""
    done = run(
        "read", "--host", ecu.host, "--state-dir", f"{__file__}/state", "--log-level", "warning"
    )

    assert done.returncode == 0
    assert "\nReceived panels: 4\n" in done.stdout
    assert f"{__file__}/state" in done.stderr


def test_read_json_is_json_and_nothing_else(ecu: Simulator) -> None:
    """With `--json` stdout is one document, whatever else there is to say."""
    panels = {
        channel.id: channel.power_w
        for inverter in ecu.shown().inverters
        for channel in inverter.channels
    }
    done = run("read", "--host", ecu.host, "--json", "--log-level", "debug")
    document = json.loads(done.stdout)

    assert done.returncode == 0
    assert list(document)[:4] == ["source", "timestamp", "received_count", "expected_count"]
    assert document["panels"] == panels
    assert document["total_watts_raw"] == sum(power or 0 for power in panels.values())


@pytest.mark.parametrize("as_json", [False, True])
def test_unreachable_ecu_is_exit_code_2(taken: int, *, as_json: bool) -> None:
    """An ECU that can't be read is one line on stderr and nothing on stdout; the exit code is 2."""
    host = f"127.0.0.1:{taken}"
    options = ["--interface", "web", *(["--json"] if as_json else [])]
    done = run("read", "--host", host, "--timeout", "0.5", *options)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "aps-exporter: the ECU did not answer in time\n"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refuse", "the ECU refuses the connection"),
        ("reset", "the ECU closed the connection without an answer"),
        ("page-gone", "the ECU says 404: its firmware has no such page"),
        ("page-cut", "the page is cut off: its table has no end"),
    ],
)
def test_ecu_that_fails_is_exit_code_2(ecu: Simulator, fault: str, said: str) -> None:
    """Each way to fail is told in one line of its own; the exit code is 2."""
    ecu.switch_on(fault)
    try:
        done = run("read", "--host", ecu.host, "--interface", "web")
    finally:
        ecu.switch_off(fault)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"aps-exporter: {said}\n"


def test_interrupted_reading_ends_at_once(ecu: Simulator) -> None:
    """^C while the ECU keeps silent ends `read` without a word of Python."""
    ecu.switch_on("hang")
    try:
        with running("read", "--host", ecu.host, "--timeout", "60") as process:
            visits = len(ecu.visits)
            end = time.monotonic() + PATIENCE_S
            while len(ecu.visits) == visits:
                assert time.monotonic() < end
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
    finally:
        ecu.switch_off("hang")

    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    ["serve --host a --listen 127.0.0.1:{}", "demo --listen 127.0.0.1:{}"],
)
def test_port_in_use_is_one_line(taken: int, arguments: str) -> None:
    """Where another program listens we say so, and don't start; the exit code is 1."""
    done = run(*arguments.format(taken).split())

    assert done.returncode == 1
    assert done.stderr == (
        f"aps-exporter: can't listen on 127.0.0.1:{taken}: another program uses this port\n"
    )


@pytest.mark.parametrize(
    "option",
    [
        "--port {0}",
        "--port 0 --control-port {0}",
        "--port 0 --interface tcp --tcp-port {0}",
        "--ecus 2 --port {0}",
    ],
)
def test_simulated_ecu_says_that_its_port_is_in_use(taken: int, option: str) -> None:
    """None of the simulator's ports is taken away from another program."""
    done = run("simulate", *option.format(taken).split())

    assert done.returncode == 1
    assert done.stderr.startswith("aps-exporter: can't listen")
    assert str(taken) in done.stderr
    assert done.stderr.endswith(": Address already in use\n")
    assert done.stderr.count("\n") == 1


def test_serve_answers_on_each_of_its_addresses(ecu: Simulator) -> None:
    """`serve` takes its options from the environment, listens on several addresses, ends with 0."""
    variables = {
        "APS_EXPORTER_SERVE_HOST": ecu.host,
        "APS_EXPORTER_SERVE_LISTEN": "127.0.0.1:0 127.0.0.2:0",
    }
    with running("serve", **variables) as process:
        assert process.stderr is not None
        urls = [url_on(process.stderr.readline()) for _ in range(2)]
        statuses = [status_of(f"{url}/metrics") for url in urls]
        process.terminate()
        _, err = process.communicate()

    assert statuses == [200, 200]
    assert process.returncode == 0
    assert "Traceback" not in err


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_demo_prints_what_to_open(ending: signal.Signals) -> None:
    """Every URL that `demo` prints answers at once; ^C and SIGTERM end it with 0."""
    with running("demo", "--inverters", "2") as process:
        assert process.stdout is not None
        told = []
        while not (line := process.stdout.readline()).startswith("Stop it"):
            told.append(line)
        urls = [url_on(line) for line in told if "http://" in line]
        statuses = {url: status_of(url) for url in urls}
        process.send_signal(ending)
        _, err = process.communicate()

    assert len(urls) == 4
    assert set(statuses.values()) == {200}
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "WARNING" not in err


def test_simulate_is_an_ecu_until_it_is_stopped() -> None:
    """`simulate` prints its addresses; `read` can read it; SIGTERM ends it with 0."""
    options = "--port 0 --tcp-port 0 --start 12:30 --family php-dc"
    with running("simulate", *options.split()) as process:
        assert process.stdout is not None
        page, control = (url_on(process.stdout.readline()) for _ in range(2))
        tcp = process.stdout.readline()
        status = status_of(control)
        done = run("read", "--host", page.removeprefix("http://").rstrip("/"))
        process.terminate()
        _, err = process.communicate()

    assert status == 200
    assert tcp.startswith("The simulated ECU takes commands over TCP at 127.0.0.1:")
    assert "\nReceived panels: 20\n" in done.stdout
    assert process.returncode == 0
    assert err == ""


def test_simulate_can_be_many() -> None:
    """`simulate --ecus` prints a configuration that names them; `read` can read the last."""
    with running("simulate", "--ecus", "3", "--port", "0", "--start", "12:30") as process:
        assert process.stdout is not None
        text = ""
        while not (line := process.stdout.readline()).startswith("}"):
            text += line
        ecus = json.loads(text + line)["ecus"]
        done = run("read", "--host", ecus[-1]["host"])
        process.terminate()
        _, err = process.communicate()

    assert [each["name"] for each in ecus] == ["ecu-00000", "ecu-00001", "ecu-00002"]
    assert "801000002005-4: " in done.stdout
    assert process.returncode == 0
    assert err == "Serving 3 simulated ECUs.\n"
