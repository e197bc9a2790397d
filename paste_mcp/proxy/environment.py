"""What of our environment a server's process gets: what it takes to run here, and no variable that names a secret.

The SDK's few (HOME, PATH and so on) are not enough where a machine reaches the network through a proxy, has its own
certificates, or fetches packages from another index: `uvx` and `npx` would not even start. (The address of a proxy or
an index goes as it is, even with a password in it: without that, nothing can be reached.) What an entry's `env` names
comes on top, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcp.client.stdio import get_default_environment

from paste_mcp.store.secrets import names_secret

_NAMES = frozenset(
    "ALL_PROXY CURL_CA_BUNDLE DOCKER_HOST HTTPS_PROXY HTTP_PROXY LANG LANGUAGE LC_ALL LC_CTYPE NODE_EXTRA_CA_CERTS "
    "NO_PROXY REQUESTS_CA_BUNDLE SSL_CERT_DIR SSL_CERT_FILE TMPDIR TZ "
    "XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME".split()
)
_PREFIXES = ("UV_", "NPM_CONFIG_", "PIP_")
"""How the programs that fetch servers are set up. Their tokens and passwords are left out."""


def server_environment(environ: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server whose entry names the variables `own`."""
    passed = {
        name: value
        for name, value in environ.items()
        if (name.upper() in _NAMES or name.upper().startswith(_PREFIXES)) and not names_secret(name)
    }
    return {**get_default_environment(), **passed, **own}
