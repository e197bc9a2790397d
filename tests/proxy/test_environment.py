"""What a server's process gets of the proxy's environment."""

import pytest

from paste_mcp.proxy.environment import server_environment


@pytest.mark.parametrize(
    "name",
    ["https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "UV_INDEX_URL", "npm_config_registry", "TZ"],
)
def test_what_it_takes_to_run_on_this_machine_is_passed_on(name):
    assert server_environment({name: "x"}, {})[name] == "x"


@pytest.mark.parametrize(
    "name",
    ["GITHUB_TOKEN", "OPENAI_API_KEY", "UV_PUBLISH_TOKEN", "UV_INDEX_OURS_PASSWORD", "npm_config__auth", "EDITOR"],
)
def test_what_may_be_a_secret_or_is_nobodys_business_is_not(name):
    assert name not in server_environment({name: "x"}, {})


def test_what_the_entry_names_comes_on_top():
    passed = server_environment({"TZ": "UTC"}, {"TZ": "CET", "GITHUB_TOKEN": "t"})
    assert (passed["TZ"], passed["GITHUB_TOKEN"]) == ("CET", "t")


def test_a_home_and_a_path_are_always_there(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert {"HOME", "PATH"} <= server_environment({}, {}).keys()
