"""What a stranger may have us ask, and above all what not."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aps_exporter.errors import TargetError
from aps_exporter.targets import (
    Target,
    TargetPolicy,
    allowed_port,
    allowed_target,
    no_place_for_an_ecu,
    parse_target,
)

MALFORMED = (
    # nothing, blanks and control characters
    *("", " ", ":", ":80", ".", "-", "192.168.1.102 ", " 192.168.1.102", "192.168.1.102\n"),
    *("192.168.1.102\r\nHost: x", "192.168.1.102\r\n\r\nGET / HTTP/1.1", "ecu\x00.lan"),
    *("ecu\t", "ecu.lan\x7f", "192.168.1.102\x0b", "192.168.1.1 192.168.1.2"),
    # more than a host
    *("http://192.168.1.102", "http://192.168.1.102/", "//192.168.1.102", "192.168.1.102/"),
    *("192.168.1.102/latest/meta-data", "192.168.1.102?x", "192.168.1.102#x", "file:///etc/passwd"),
    *("user@192.168.1.102", "user:secret@192.168.1.102", "192.168.1.102@169.254.169.254"),
    *("169.254.169.254#@192.168.1.102", "192.168.1.102\\@169.254.169.254", "\\\\192.168.1.102"),
    *("gopher:192.168.1.102", "unix:/run/docker.sock", "[::1]@192.168.1.102", "192.168.1.102;x"),
    *("192.168.1.102,192.168.1.103", "192.168.1.0/24", "*.lan", "ecu$(id).lan", "{ecu}.lan"),
    # percent
    *("%31%36%39.254.169.254", "192.168.1.102%0d%0a", "ecu%2elan", "127%2e0%2e0%2e1", "ecu%00.lan"),
    # numbers that some resolvers take for an address
    *("2130706433", "2852039166", "0x7f000001", "0x7F.0x0.0x0.0x1", "017700000001", "0177.0.0.1"),
    *("0x7f.1", "127.1", "127.0.1", "192.168.257", "10.1", "0", "1", "0x", "192.168.1.0x66"),
    *(
        "192.168.01.102",
        "192.168.1.102.",
        "192.168.1.256",
        "192.168.1.1.1",
        "192.168.1",
        "1.2.3.4.5",
    ),
    *("-1", "127.0.0.0x1", "ecu.0x7f000001", "ecu.1", "localhost.", "ecu.lan."),
    # zones
    *("fe80::1%eth0", "[fe80::1%eth0]", "[fe80::1%25eth0]:80", "[fd00::1%1]", "::1%lo"),
    # ports
    *("192.168.1.102:", "192.168.1.102:0", "192.168.1.102:65536", "192.168.1.102:99999"),
    *("192.168.1.102:+80", "192.168.1.102:-80", "192.168.1.102:080", "192.168.1.102:80:80"),
    *("192.168.1.102: 80", "192.168.1.102:8_0", "192.168.1.102:http", "192.168.1.102:80.0"),
    *(
        "192.168.1.102:0x50",
        "192.168.1.102:８０",
        "192.168.1.102:800000",
        "[fd00::1]:",
        "[fd00::1]80",
    ),
    # beyond ASCII
    *(
        "１９２.168.1.102",
        "192。168。1。102",
        "169．254．169．254",
        "①②⑦.0.0.1",
        "ecü.lan",
        "еcu.lan",
    ),
    *("ecu\u200b.lan", "127\u00ad.0.0.1", "\ufeff192.168.1.102", "ℓocalhost", "ecu\u2024lan"),
    # no IPv6
    *(
        "[",
        "[]",
        "[]:80",
        "[::1",
        "::1]",
        "[192.168.1.102]",
        "[ecu.lan]",
        "[[::1]]",
        ":::",
        "1::2::3",
    ),
    *("[fd00::12345]", "fd00::g", "[::ffff:192.168.1]", "[::ffff:0300.0250.1.1]", "[fd00::1]x:80"),
    # no names
    *("a..b", ".lan", "-ecu.lan", "ecu-.lan", "a" * 64, "a" * 70 + ".lan", "xn--é.lan", "ecu!lan"),
    *(".".join(["a" * 60] * 5), "a." * 127 + "aa", "a" * 100_000, "1" * 100_000, ":" * 100_000),
)
"""Answered 400: not plainly one host."""

FORBIDDEN = (
    # this machine
    *("127.0.0.1", "127.0.0.1:8899", "127.8.8.8", "127.255.255.255", "[::1]", "::1", "[::1]:80"),
    *("[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]"),
    # nowhere in particular
    *("0.0.0.0", "0.0.0.0:80", "0.1.2.3", "[::]", "::", "[::0.0.0.0]"),
    # link-local and metadata services
    *("169.254.169.254", "169.254.169.254:80", "169.254.170.2", "169.254.170.23", "169.254.0.1"),
    *("[fe80::1]", "fe80::a9fe:a9fe", "[febf::1]", "[fec0::1]", "[fd00:ec2::254]", "fd00:ec2::23"),
    *("[FD00:0EC2:0000:0000::0254]", "fd20:ce::254", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
    # IPv4 in IPv6
    *(
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "::ffff:127.0.0.1",
        "[::ffff:192.168.1.102]",
    ),
    *("[0:0:0:0:0:ffff:7f00:1]", "[::ffff:0:169.254.169.254]", "[::169.254.169.254]", "[::7f00:1]"),
    *("[64:ff9b::169.254.169.254]", "[64:ff9b::a00:1]", "[64:ff9b:1::a9fe:a9fe]"),
    *("[2002:a9fe:a9fe::1]", "[2002:7f00:1::]", "[2001:0:a9fe:a9fe::]", "2001::1"),
    # many at once
    *("224.0.0.1", "239.255.255.250", "255.255.255.255", "[ff02::1]", "ff0e::1", "240.0.0.1"),
    # where nobody lives
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1", "192.88.99.1"),
    *("[2001:db8::1]", "[3fff::1]", "[100::1]", "[2001:2::1]", "[2001:20::1]", "[5f00::1]"),
    # the rest of the world
    *("8.8.8.8", "1.1.1.1:80", "100.64.0.1", "172.15.255.255", "172.32.0.0", "192.167.255.255"),
    *("192.169.0.0", "11.0.0.0", "9.255.255.255", "[2606:4700::1111]", "[fbff::1]", "[fe00::1]"),
    # ports that no ECU has
    *(
        "192.168.1.102:22",
        "192.168.1.102:443",
        "192.168.1.102:6379",
        "[fd00::1]:25",
        "ecu.lan:8080",
    ),
)
"""Answered 403 as long as the configuration doesn't say otherwise."""


def shown(text: str) -> str:
    """Name a test for a target, even for a very long one."""
    return repr(text) if len(text) < 60 else f"{text[:6]!r} and so on, {len(text)} characters"


def refusal(text: str, policy: TargetPolicy) -> TargetError:
    """Give the error for a target that is refused before anything is looked up."""
    with pytest.raises(TargetError) as caught:
        policy.require(parse_target(text))
    return caught.value


@pytest.mark.parametrize("text", MALFORMED, ids=shown)
@pytest.mark.parametrize("loopback", [False, True])
def test_a_malformed_target_is_400(text: str, *, loopback: bool) -> None:
    """What isn't plainly one host is refused, whatever the configuration allows."""
    for policy in (
        TargetPolicy.of(loopback=loopback),
        TargetPolicy.of(["0.0.0.0/0", "::/0", "*.lan"], range(65536), loopback=loopback),
    ):
        error = refusal(text, policy)

        assert error.http_status == 400
        assert re.fullmatch("target .{1,200}", str(error))


@pytest.mark.parametrize("text", FORBIDDEN)
def test_a_target_elsewhere_is_403(text: str) -> None:
    """By default nobody is asked who can't be an ECU at home."""
    error = refusal(text, TargetPolicy.of())

    assert error.http_status == 403
    assert re.fullmatch("target .{1,200}", str(error))


def test_the_tables_are_long_and_without_doubles() -> None:
    """There is no hostile target that we try twice."""
    hostile = MALFORMED + FORBIDDEN

    assert len(hostile) > 200
    assert len(hostile) == len(set(hostile))


@pytest.mark.parametrize(
    ("text", "host", "port", "written"),
    [
        ("192.168.1.102", "192.168.1.102", 80, "192.168.1.102"),
        ("192.168.1.102:80", "192.168.1.102", 80, "192.168.1.102"),
        ("10.0.0.1:8899", "10.0.0.1", 8899, "10.0.0.1:8899"),
        ("172.16.0.0", "172.16.0.0", 80, "172.16.0.0"),
        ("172.31.255.254", "172.31.255.254", 80, "172.31.255.254"),
        ("[fd00::102]", "fd00::102", 80, "[fd00::102]"),
        ("[FD00:0::0102]:8899", "fd00::102", 8899, "[fd00::102]:8899"),
        ("fd00::102", "fd00::102", 80, "[fd00::102]"),
        ("fc00::1", "fc00::1", 80, "[fc00::1]"),
        ("ecu", "ecu", 80, "ecu"),
        ("ECU_1.Garage.LAN:80", "ecu_1.garage.lan", 80, "ecu_1.garage.lan"),
        ("xn--ec-yka.lan", "xn--ec-yka.lan", 80, "xn--ec-yka.lan"),
        ("1ecu.2lan", "1ecu.2lan", 80, "1ecu.2lan"),
        ("0x7f.lan", "0x7f.lan", 80, "0x7f.lan"),
        ("1e3", "1e3", 80, "1e3"),
        ("a" * 63 + ".lan", "a" * 63 + ".lan", 80, "a" * 63 + ".lan"),
    ],
)
def test_a_good_target_has_one_spelling(text: str, host: str, port: int, written: str) -> None:
    """However somebody writes an ECU's address, it is the same target, and allowed."""
    target = parse_target(text)

    assert target == Target(host=host, port=port)
    assert str(target) == written
    assert parse_target(written) == target
    TargetPolicy.of().require(target)


def is_number_to_resolvers(host: str) -> bool:
    """Tell whether the C library takes this for an IPv4 address."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-fx.:\[\]%]{1,24}", fullmatch=True))
def test_any_text_is_a_target_or_a_target_error(text: str) -> None:
    """Nothing else comes out, and what is a target comes out as itself when it is read again."""
    try:
        target = parse_target(text)
    except TargetError:
        return

    assert parse_target(str(target)) == target
    assert target.address or not is_number_to_resolvers(target.host)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.1.2.3", "[::1]"])
def test_loopback_is_for_an_exporter_on_loopback(text: str) -> None:
    """Who can reach the exporter only from this machine may ask this machine."""
    TargetPolicy.of(loopback=True).require(parse_target(text))

    assert refusal(text, TargetPolicy.of(loopback=False)).http_status == 403


@pytest.mark.parametrize(
    ("allowed", "text", "status"),
    [
        # it narrows
        ([], "192.168.1.102", 403),
        ([], "ecu.lan", 403),
        (["192.168.7.0/24"], "192.168.7.9", 200),
        (["192.168.7.0/24"], "192.168.8.9", 403),
        (["192.168.7.0/24"], "fd00::9", 403),
        (["192.168.7.9"], "192.168.7.9", 200),
        (["192.168.7.9"], "192.168.7.8", 403),
        (["192.168.7.0/24"], "127.0.0.1", 403),
        (["ecu.lan"], "ecu.lan", 200),
        (["ECU.lan"], "ecu.LAN", 200),
        (["ecu.lan"], "other.lan", 403),
        (["ecu.lan"], "x.ecu.lan", 403),
        (["ecu.lan"], "192.168.1.102", 403),
        (["*.solar.example"], "roof.solar.example", 200),
        (["*.solar.example"], "a.b.solar.example", 200),
        (["*.solar.example"], "solar.example", 403),
        (["*.solar.example"], "evilsolar.example", 403),
        (["*.solar.example"], "roof.solar.example.evil.example", 403),
        # it widens
        (["100.64.0.0/10"], "100.64.0.1", 200),
        (["8.8.8.0/24"], "8.8.8.8", 200),
        (["2000::/3"], "2606:4700::1111", 200),
        (["127.0.0.0/8"], "127.0.0.1", 200),
        (["::1"], "::1", 200),
        # a wide net doesn't open what is closed
        (["0.0.0.0/0"], "8.8.8.8", 200),
        (["0.0.0.0/0"], "127.0.0.1", 403),
        (["0.0.0.0/0"], "169.254.169.254", 403),
        (["0.0.0.0/0"], "0.0.0.0", 403),
        (["0.0.0.0/0"], "224.0.0.1", 403),
        (["0.0.0.0/0"], "192.0.2.1", 403),
        (["::/0"], "::1", 403),
        (["::/0"], "::", 403),
        (["::/0"], "::ffff:127.0.0.1", 403),
        (["::/0"], "64:ff9b::a9fe:a9fe", 403),
        (["::/0"], "fe80::1", 403),
        (["::/0"], "fd00:ec2::254", 403),
        (["fd00::/8"], "fd00:ec2::254", 403),
        (["100.64.0.0/10"], "100.100.100.200", 403),
        # naming it does, and no more than it
        (["169.254.0.0/16"], "169.254.3.4", 200),
        (["169.254.0.0/16"], "169.254.169.254", 403),
        (["169.254.169.254"], "169.254.169.254", 200),
        (["169.254.169.254"], "169.254.169.253", 403),
        (["192.0.2.0/24"], "192.0.2.7", 200),
        (["192.0.2.0/25"], "192.0.2.200", 403),
        (["fe80::/10"], "fe80::1", 200),
    ],
)
def test_allowed_targets_say_all_that_is_allowed(
    allowed: Sequence[str], text: str, status: int
) -> None:
    """The list narrows and widens; what is closed takes its own name to open."""
    policy = TargetPolicy.of(allowed)
    if status == 200:
        policy.require(parse_target(text))
    else:
        assert refusal(text, policy).http_status == status


def test_allowed_ports_replace_the_usual_ones() -> None:
    """Where ports are listed, no other is asked."""
    policy = TargetPolicy.of(allowed_ports=[8080])

    policy.require(parse_target("192.168.1.102:8080"))

    assert refusal("192.168.1.102", policy).http_status == 403
    assert refusal("192.168.1.102:8899", policy).http_status == 403


@pytest.mark.parametrize(
    ("allowed", "address", "allows"),
    [
        (None, "192.168.1.102", True),
        (None, "fd00::102", True),
        (None, "8.8.8.8", False),
        (None, "127.0.0.1", False),
        (["10.0.0.0/8"], "10.1.1.1", True),
        (["10.0.0.0/8"], "192.168.1.102", False),
        (["*.example"], "8.8.8.8", True),
        (["*.example"], "192.168.1.102", True),
        (["*.example"], "127.0.0.1", False),
        (["*.example"], "::1", False),
        (["*.example"], "169.254.169.254", False),
        (["*.example"], "::ffff:10.0.0.1", False),
        (["*.example", "127.0.0.1"], "127.0.0.1", True),
        (["*.other"], "8.8.8.8", False),
    ],
)
def test_a_name_is_allowed_for_itself_or_for_where_it_leads(
    allowed: Sequence[str] | None, address: str, *, allows: bool
) -> None:
    """A name in the list may lead anywhere but to this machine and to where no ECU can be."""
    policy = TargetPolicy.of(allowed)
    target = Target(host="ecu.example")
    if allows:
        policy.require_address(target, ip_address(address))
    else:
        with pytest.raises(TargetError) as caught:
            policy.require_address(target, ip_address(address))

        assert caught.value.http_status == 403
        assert address not in str(caught.value)


def test_an_allowed_name_may_lead_to_loopback_for_an_exporter_on_loopback() -> None:
    """Here, too, loopback is for those who are there already."""
    policy = TargetPolicy.of(["ecu.example"], loopback=True)
    policy.require_address(Target(host="ecu.example"), ip_address("127.0.0.1"))
    with pytest.raises(TargetError):
        policy.require_address(Target(host="other.example"), ip_address("127.0.0.1"))


def test_refusals_say_why() -> None:
    """The one line tells what is wrong with the target."""
    texts = ("8.8.8.8", "169.254.169.254", "[::ffff:10.0.0.1]", "192.168.1.102:22")
    reasons = [str(refusal(text, TargetPolicy.of())) for text in texts]

    assert reasons == [
        "target 8.8.8.8 is not allowed: it is neither configured nor among the allowed",
        "target 169.254.169.254 is not allowed: it is a metadata service",
        f"target {parse_target(texts[2])} is not allowed: it is an IPv4 address in disguise",
        "target 192.168.1.102:22 is not allowed: its port isn't",
    ]


@pytest.mark.parametrize(
    ("address", "meaning"),
    [
        ("192.168.1.102", None),
        ("8.8.8.8", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("169.254.169.254", "a metadata service"),
        ("169.254.1.1", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("ff02::1", "multicast"),
        ("203.0.113.9", "for documentation or tests only"),
    ],
)
def test_no_ecu_is_where_none_can_be(address: str, meaning: str | None) -> None:
    """Whoever wrote it, some addresses are no ECU's."""
    assert no_place_for_an_ecu(ip_address(address)) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "192.168.7.0/24",
        "10.0.0.7",
        "0.0.0.0/0",
        "fd00:7::/64",
        "::/0",
        "ecu.lan",
        "*.Solar.example",
    ],
)
def test_an_entry_of_allowed_targets_is_a_network_or_a_name(text: str) -> None:
    """Networks, addresses, names and all names that end alike can be allowed."""
    assert allowed_target(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.", ".lan", "*lan", "**.lan", "ecu.*", "a..b", "192.168.7", "10", "0x7f.1"),
        *("192.168.7.0/33", "192.168.7.0/", "192.168.7.0/0.0.0.255", "fe80::1%eth0", "fe80::%x/64"),
        *("http://ecu.lan", "ecu.lan:80", "192.168.1.1:80", "[fd00::1]", "ecü.lan", "010.0.0.0/8"),
    ],
)
def test_anything_else_is_no_entry(text: str) -> None:
    """What can't be matched with an ECU is an error in the configuration."""
    with pytest.raises(ValueError, match="must be an address, a network or a name") as caught:
        allowed_target(text)

    assert len(str(caught.value).splitlines()) == 1


def test_a_network_with_bits_beyond_its_mask_is_likely_a_slip() -> None:
    """Who allows 256 ECUs where one was meant is asked."""
    with pytest.raises(ValueError, match=r"did you mean 192\.168\.7\.0/24\?"):
        allowed_target("192.168.7.9/24")


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_has_sixteen_bits(port: int) -> None:
    """No other number is a port."""
    assert allowed_port(65_535) == 65_535
    with pytest.raises(ValueError, match="must be a port from 1 to 65535"):
        allowed_port(port)
