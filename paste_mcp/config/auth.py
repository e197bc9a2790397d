"""`paste.auth`: who may use a proxy that listens, and under which names it is reached."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from paste_mcp.config.check import check, expect_object, refuse_unknown
from paste_mcp.config.errors import Place
from paste_mcp.config.expand import expand, expand_home, passable
from paste_mcp.config.section import Section, Text, Texts

SHORTEST_TOKEN = 16
"""Characters. A shorter one can be guessed."""
LONGEST_TOKEN = 1024
MAX_TOKENS = 1024

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
Secret: TypeAlias = Annotated[str, Field(repr=False)]


class Token(Section):
    """A bearer token, and who has proved to be there by it."""

    token: Secret
    principal: Text


class OAuth(Section):
    """Tokens of an authorization server are accepted: the proxy is a resource server of it."""

    issuer: Text
    """The authorization server, as its tokens and its metadata name it."""
    resource: Text
    """The URL by which hosts reach the proxy; tokens have to be meant for it."""
    jwks: Text | None = None
    """Where the issuer's keys are; None to ask its metadata."""
    introspection: Text | None = None
    """Where to ask about a token, for an issuer whose tokens are no JWTs."""
    client_id: Text | None = None
    client_secret: Annotated[Text | None, Field(repr=False)] = None
    """What the proxy proves by who is asking there."""
    scopes: Texts = ()
    """What a token has to allow."""


class Auth(Section):
    """`paste.auth`, read."""

    tokens: Annotated[tuple[Token, ...], Field(strict=False)] = ()
    oauth: OAuth | None = None
    hosts: Texts = ()
    """Further names by which hosts reach the proxy, without a port."""


def parse_auth(value: Any, place: Place, environ: Mapping[str, str], base: Path) -> Auth:
    """The section, its secrets filled in. Raises ConfigError."""
    section = dict(expect_object(value, place))
    refuse_unknown(section, Auth.model_fields, place)
    if "tokens" not in section and "oauth" not in section:
        place.fail('write "tokens" or "oauth", by which hosts prove who they are')
    if "tokens" in section:
        section["tokens"] = _tokens(section["tokens"], place.at("tokens"), environ, base)
    if "oauth" in section:
        section["oauth"] = _oauth(section["oauth"], place.at("oauth"), environ)
    auth = check(Auth, section, place)
    for position, host in enumerate(auth.hosts):
        if not _HOST.fullmatch(host):
            place.at("hosts", position).fail("a host's name is expected, without scheme, port and path")
    return auth


def _tokens(value: Any, place: Place, environ: Mapping[str, str], base: Path) -> tuple[Token, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_TOKENS:
        place.fail(f'a list of 1 to {MAX_TOKENS} is expected: [{{"token": "${{NAME}}", "principal": "alice"}}]')
    tokens = tuple(_token(one, place.at(position), environ, base) for position, one in enumerate(value))
    seen: set[str] = set()
    for position, token in enumerate(tokens):
        if token.token in seen:
            place.at(position).fail("the same token as an earlier one; each principal needs its own")
        seen.add(token.token)
    return tokens


def _token(value: Any, place: Place, environ: Mapping[str, str], base: Path) -> Token:
    entry = dict(expect_object(value, place))
    refuse_unknown(entry, ("token", "token_file", "principal"), place)
    if ("token" in entry) == ("token_file" in entry):
        place.fail('write "token": "${NAME}" or "token_file": a file that only you may read')
    key = "token" if "token" in entry else "token_file"
    written, here = entry.pop(key), place.at(key)
    if not isinstance(written, str):
        here.fail("text in double quotes is expected")
    if key == "token" and "${" not in written:
        here.fail("a secret has no place in this file; write ${NAME} and set that variable, or use token_file")
    secret = expand(written, environ, here)
    if key == "token_file":
        secret = _secret_in(base / expand_home(passable(secret, here), environ), here)
    if not SHORTEST_TOKEN <= len(secret) <= LONGEST_TOKEN or not _TOKEN.fullmatch(secret):
        here.fail(
            f"a token is {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits and ._~+/=- signs; "
            'make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return check(Token, {**entry, "token": secret}, place)


def _secret_in(path: Path, place: Place) -> str:
    """What the file holds, if nobody else may read it."""
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                place.fail("others may read that file; run chmod 600 on it")
            return file.read(LONGEST_TOKEN + 16).decode().strip()
    except UnicodeDecodeError:
        place.fail("that file holds no text")
    except (OSError, ValueError) as error:
        place.fail(f"that file cannot be read: {error.strerror if isinstance(error, OSError) else 'not a path'}")


def _oauth(value: Any, place: Place, environ: Mapping[str, str]) -> OAuth:
    section = dict(expect_object(value, place))
    refuse_unknown(section, OAuth.model_fields, place)
    for key in ("issuer", "resource", "jwks", "introspection", "client_id", "client_secret"):
        if isinstance(written := section.get(key), str):
            if key == "client_secret" and "${" not in written:
                place.at(key).fail("a secret has no place in this file; write ${NAME} and set that variable")
            section[key] = expand(written, environ, place.at(key))
    oauth = check(OAuth, section, place)
    if oauth.jwks is not None and oauth.introspection is not None:
        place.fail("jwks, introspection exclude each other; keep one")
    for key in ("issuer", "resource", "jwks", "introspection"):
        if (url := getattr(oauth, key)) is not None and not _trustworthy(url):
            place.at(key).fail("an https:// URL is expected, or an http:// one on this machine, without query")
    return oauth


def _trustworthy(url: str) -> bool:
    """Whether what is told there can be believed: over TLS, or within this machine."""
    try:
        parts = urlsplit(url)
        loopback, _ = parts.hostname in _LOOPBACK, parts.port
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and loopback)
    plain = not parts.query and not parts.fragment and parts.username is None
    return safe and bool(parts.hostname) and plain and url.isprintable() and " " not in url
