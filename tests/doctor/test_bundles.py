"""Bundles: masked, yet read as before; and the folder of bundles, each of which is a test."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aps_exporter.doctor.bundle import read_bundle, truth_of, write_bundle
from aps_exporter.doctor.mask import Mask
from aps_exporter.errors import ConfigError
from tests.doctor.conftest import Examine

BUNDLES = sorted((Path(__file__).parent / "bundles").glob("*.json"))


@pytest.mark.parametrize("file", BUNDLES, ids=lambda file: file.stem)
def test_every_bundle_of_the_folder_reads_as_it_says(file: Path) -> None:
    """Each answer of a bundle gives the truth that stands beside it."""
    answers = list(read_bundle(file.read_text(encoding="utf-8")))

    assert answers
    for item, truth in answers:
        assert truth_of(item) == truth, item.where


def secrets_of(text: str) -> set[str]:
    """Find what looks like an id."""
    return set(re.findall(r"(?<!\d)\d{12}(?!\d)", text))


@pytest.mark.parametrize(
    "faults", [(), ("odd-cells",), ("tcp-unknown-type=all",), ("tcp-short=0.6",)]
)
def test_no_id_leaves_the_house(examined: Examine, faults: tuple[str, ...]) -> None:
    """Not one id of the ECU or of an inverter stands in a bundle, as text or packed."""
    findings = examined(*faults)
    secrets = {findings.ecu_id, *(inverter.serial for inverter in findings.inverters)} - {None}

    items = [item for item, _ in read_bundle(write_bundle(findings))]

    assert secrets
    for item in items:
        for secret in filter(None, secrets):
            assert secret.encode() not in (item.content or b"")
            assert bytes.fromhex(secret) not in (item.content or b"")


def test_a_masked_answer_reads_as_the_true_one(examined: Examine) -> None:
    """Only names differ: every number and time is still there, and ids are alike on both sides."""
    findings = examined()
    before = [truth_of(item) for item in findings.evidence.items]

    after = [truth for _, truth in read_bundle(write_bundle(findings))]

    def without_names(truth: object) -> str:
        return re.sub(r"\d{12}", "ID", json.dumps(truth))

    assert [without_names(truth) for truth in after] == [without_names(t) for t in before]
    pages, tcp = (
        {inverter["serial"] for inverter in truth["inverters"]}
        for truth in after
        if isinstance(truth, dict) and isinstance(truth.get("inverters"), list)
    )
    assert pages == tcp


def test_the_first_digits_of_an_id_stay() -> None:
    """They tell what the thing is, and the same id always gets the same stand-in."""
    mask = Mask()

    assert mask.page(b"<td>408000012345-A</td> 216200009876 408000012345-B") == (
        b"<td>408000000001-A</td> 216200000002 408000000001-B"
    )


@pytest.mark.parametrize(
    ("page", "masked"),
    [
        (b"<td>80:97:1B:02:DB:59</td>", b"<td>00:00:5E:00:53:00</td>"),
        (b'href="http://192.168.1.50/resources"', b'href="http://192.0.2.1/resources"'),
        (b"<th>SSID</th> <td>Our Home</td>", b"<th>SSID</th> <td>network-1</td>"),
        (b'ssid="Our Home"', b'ssid="network-1"'),
        (b"ECU_R_216200009876", b"ECU_R_216200000001"),
        (b"V4.1.6, 2.0.9A, 12:30:05, 1645252856000", b"V4.1.6, 2.0.9A, 12:30:05, 1645252856000"),
    ],
)
def test_addresses_and_network_names_are_masked(page: bytes, masked: bytes) -> None:
    """Hardware and network addresses and SSIDs get stand-ins; versions and times don't."""
    assert Mask().page(page) == masked


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "items": [{}]}'])
def test_another_file_is_refused(text: str) -> None:
    """What is no bundle is said to be none."""
    with pytest.raises(ConfigError, match="bundle"):
        list(read_bundle(text))


def test_the_page_that_came_with_an_error_is_kept(examined: Examine) -> None:
    """What firmware without pages shows in their place is what a maintainer wants to see."""
    items = [item for item, _ in read_bundle(write_bundle(examined("page-gone")))]

    gone = [item for item in items if item.status == "page_gone"]

    assert gone
    assert all(b"404" in (item.content or b"") for item in gone)
