"""Where the URLs in a call point to: the public internet, or a place that only this machine or its network can reach.

A result may hold any address, and a guess would follow it unasked: to a cloud's metadata, a router, a local service.
What is public is the `ipaddress` module's word (IANA's registries), less what only translates to other addresses. No
name is resolved: asking would itself tell somebody, and the server asks again anyway. A public name that leads to a
private address is not seen here; `hosts` in the configuration is the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from paste_mcp.core.model import Json

MAX_VALUES: Final = 10_000
"""Values of one call that are looked at; a call with more counts as unreadable."""
_URL: Final = re.compile(r"(?i)\b(?:(?:https?|wss?|ftp):[/\\]*|[a-z][a-z0-9+.-]*:[/\\]{2})[^\s\"'<>`{}|^]*")
"""Browsers read `http:127.0.0.1` as they read `http://127.0.0.1`."""
_SCHEME: Final = re.compile(r"[A-Za-z0-9+.-]*:/*")
_NETWORKED: Final = frozenset(
    "http https ws wss ftp ftps sftp ssh git smb file gopher ldap ldaps dict telnet tftp rtsp".split()
)
"""Schemes whose URLs name a machine. Of others (`doc://python/`) only what is plainly an address counts as one."""
_HOST_NAMES: Final = frozenset("host hostname endpoint".split())
_ADDRESS_NAMES: Final = _HOST_NAMES | frozenset("url uri href link address domain origin website site server".split())
_AUTHORITY: Final = re.compile(r"/*([^/?#]*)")
_DIGITS: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_NO_HOST: Final = re.compile(r"[\s\x00-\x1f\x7f\\%]")
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PRIVATE_ENDS: Final = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa")
_TRANSLATED: Final = tuple(
    map(ip_network, ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10"))
)
"""IPv6 addresses that stand for IPv4 ones (mapped, NAT64, Teredo, 6to4), and site-local ones, which older registries
have as global. Nobody writes them in a URL but to get around a list like this.
"""
UNREADABLE: Final = ""
"""A host that cannot be told for sure."""


def hosts_of(arguments: Mapping[str, Json]) -> Iterator[str]:
    """The host of every address in these arguments, in small letters; `UNREADABLE` for one that has no one reading.

    Addresses are URLs anywhere in a text, and what stands in an argument whose name says that it is an address.
    """
    stack: list[tuple[str, Json]] = [("", dict(arguments))]
    left = MAX_VALUES
    while stack:
        name, value = stack.pop()
        left -= 1
        if left < 0:
            yield UNREADABLE
            return
        if isinstance(value, Mapping):
            stack.extend((str(key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            stack.extend((name, inner) for inner in value)
        elif isinstance(value, str):
            yield from _hosts_in(name, value)


def is_public(host: str) -> bool:
    """Whether this host may be anybody's: a global address, or a name that does not say that it is local."""
    if host == UNREADABLE:
        return False
    bare = host.rstrip(".")
    try:
        return _is_global(ip_address(bare.strip("[]")))
    except ValueError:
        pass
    last = bare.rpartition(".")[2]
    # A host whose last part is a number is an address to browsers and C libraries (127.1, 0x7f000001, 017700000001).
    if not bare or "." not in bare or _DIGITS.fullmatch(last) or ":" in bare:
        return False
    return not bare.endswith(_PRIVATE_ENDS)


def may_point_to(host: str, allowed: tuple[str, ...] | None) -> bool:
    """Whether a guess may name this host. A list of the user's says it all: what it names is allowed, however local."""
    if allowed is None:
        return is_public(host)
    return host != UNREADABLE and any(fnmatchcase(host.rstrip("."), glob.lower()) for glob in allowed)


def _hosts_in(name: str, text: str) -> Iterator[str]:
    urls = _URL.findall(text)
    for url in urls:
        authority = _SCHEME.sub("", url, count=1)
        scheme = url.partition(":")[0].lower()
        if "\\" in url:
            yield UNREADABLE  # a slash to browsers, a letter to others
        elif authority and not url.lower().startswith("file:///"):
            host = _host_of("//" + authority)
            if scheme in _NETWORKED or host == UNREADABLE or not _is_word(host):
                yield host
    if urls or not text:
        return
    words = {word.lower() for word in _WORDS.findall(name)}
    words |= {word.removesuffix("s") for word in words}
    if words & _ADDRESS_NAMES:
        bare = _bare_host(text, sure=bool(words & _HOST_NAMES))
        if bare is not None:
            yield bare


def _is_word(host: str) -> bool:
    """A name that stands for something of the server's own, no machine."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost" and not _DIGITS.fullmatch(host.rpartition(".")[2])
    return False


def _bare_host(text: str, *, sure: bool) -> str | None:
    """The host of an address without a scheme, as in `10.0.0.1:8080` or `example.com/page`; None if it seems none."""
    found = _AUTHORITY.match(text.replace("\\", "/"))
    authority = found.group(1) if found else ""
    if not authority or (text.startswith("/") and not text.startswith(("//", "\\\\"))):
        return None
    try:
        return str(ip_address(authority.strip("[]")))
    except ValueError:
        pass
    name, _, port = authority.partition(":")
    if port and not port.isdecimal():
        return UNREADABLE if authority.startswith("[") else None  # a URI of another kind, such as urn:isbn:1
    if sure or "." in name or name.lower() == "localhost" or _DIGITS.fullmatch(name):
        return _host_of("//" + authority)
    return None


def _host_of(url: str) -> str:
    """The host of a URL in small letters."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return UNREADABLE
    if not host or "@" in parts.netloc or _NO_HOST.search(parts.netloc) or not host.isascii():
        return UNREADABLE
    return host


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in network for network in _TRANSLATED)
