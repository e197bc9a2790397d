"""Where the addresses in a call point to. A guess must not follow a result to a place that only this machine reaches.

Not seen here: a public name whose DNS record is private. Looking it up would tell somebody, and prove nothing about
what the server looks up a moment later; a list of hosts is the remedy.
"""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.speculation.addresses import hosts_of, is_public, may_point_to

PRIVATE = """
127.0.0.1 127.255.255.254 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1 198.18.0.1
224.0.0.1 255.255.255.255 240.0.0.1
::1 :: fe80::1 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe 2002:7f00:1:: 2002:a9fe:a9fe::1 2002:a00:1:: 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b::808:808 2002:808:808:: ::ffff:8.8.8.8 64:ff9b:1::1 2001:0:7f00:1::
127.1 2130706433 0x7f000001 0x7f.1 017700000001 0177.0.0.1 127.0.0.1. 1.2.3.4.5
localhost a.localhost localhost. printer nas.local metadata.google.internal router.lan host.home.arpa
""".split()
PUBLIC = "8.8.8.8 2606:4700::1111 example.com example.com. a.b.example xn--nxasmq6b.com".split()


@pytest.mark.parametrize("host", PRIVATE)
def test_a_host_that_only_this_machine_or_network_reaches_is_not_public(host):
    assert not is_public(host)
    assert not may_point_to(host, None)


@pytest.mark.parametrize("host", PUBLIC)
def test_a_host_of_the_internet_is_public(host):
    assert is_public(host)


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        ({"url": "https://example.com/a?b#c"}, ["example.com"]),
        ({"q": "see https://Example.com/a and http://10.0.0.1:80/b."}, ["example.com", "10.0.0.1"]),
        ({"deep": [{"any": ["ws://[::1]:9/"]}]}, ["::1"]),
        ({"url": "http:127.0.0.1/x"}, ["127.0.0.1"]),
        ({"url": "http:///127.0.0.1/x"}, ["127.0.0.1"]),
        ({"url": "//169.254.169.254/latest"}, ["169.254.169.254"]),
        ({"host": "10.0.0.1:8080"}, ["10.0.0.1"]),
        ({"hostname": "nas"}, ["nas"]),
        ({"baseUrl": "localhost:3000/x"}, ["localhost"]),
        ({"address": "fe80::1"}, ["fe80::1"]),
        ({"address": "2130706433"}, ["2130706433"]),
        ({"uri": "file://10.0.0.1/share"}, ["10.0.0.1"]),
        ({"uri": "gopher://127.0.0.1:70/"}, ["127.0.0.1"]),
        ({"uri": "doc://127.0.0.1/"}, ["127.0.0.1"]),
        # what has no one reading is nobody's host
        ({"url": "http://a@127.0.0.1/"}, [""]),
        ({"url": "http://example.com\\@127.0.0.1/"}, [""]),
        ({"url": "http://%31%32%37.0.0.1/"}, [""]),
        ({"url": "http://ⓛocalhost/"}, [""]),
        ({"url": "http://[::1/"}, [""]),
        ({"url": "http://example.com:99999/"}, [""]),
        # no address at all
        ({"path": "/etc/passwd"}, []),
        ({"url": "/relative/page"}, []),
        ({"link": "page-3"}, []),
        ({"uri": "file:///etc/passwd"}, []),
        ({"uri": "urn:isbn:1"}, []),
        ({"uri": "doc://python/asyncio"}, []),
        ({"text": "10.0.0.1", "n": 3, "none": None}, []),
        ({"url": ""}, []),
    ],
)
def test_every_address_in_the_arguments_is_found(arguments, hosts):
    assert sorted(hosts_of(arguments)) == sorted(hosts)


def test_a_call_with_more_values_than_are_looked_at_is_unreadable():
    assert list(hosts_of({"ids": list(range(9_000))})) == []
    assert list(hosts_of({"ids": list(range(11_000))})) == [""]


@pytest.mark.parametrize(
    ("host", "allowed", "may"),
    [
        ("docs.example.com", ("*.example.com",), True),
        ("example.com", ("*.example.com",), False),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("localhost", ("LocalHost",), True),
        ("example.com", (), False),
        ("", ("*",), False),
    ],
)
def test_the_users_list_says_it_all(host, allowed, may):
    assert may_point_to(host, allowed) is may


@given(st.text(alphabet=string.printable + "ⓛé\ud800", max_size=60), st.sampled_from(["url", "host", "q"]))
def test_any_text_is_read_without_an_error(text, name):
    for host in hosts_of({name: text}):
        may_point_to(host, None)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_private_address_hides_in_an_ipv6_one(address):
    whole = int(address)
    for host in (
        f"::ffff:{address}",
        f"64:ff9b::{whole >> 16:x}:{whole & 0xFFFF:x}",
        f"2002:{whole >> 16:x}:{whole & 0xFFFF:x}::1",
    ):
        assert not is_public(host)
        assert list(hosts_of({"u": f"http://[{host}]/"})) == [host]
