"""What looks like a secret, and what does not."""

import base64
import random
import string

import pytest

from paste_mcp.store.secrets import is_secret, names_id, names_secret

# None of these opens anything: they only have the form.
SECRETS = """
AKIAIOSFODNN7EXAMPLE
wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
ghp_16C7e42F292c6912E7710c838347Ae178B4a
github_pat_11ABCDEFG0abcdefghijkl
glpat-abcdefghijklmnopqrst
sk-ant-api03-abcdefgh
sk-proj-abcDEF123456
xoxb-123456789012-abcdef
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc
AIzaSyA1234567890abcdefghijklmnopqrstuv
SG.abcdefghijk.lmnopqrstuvw
hvs.CAESIJabcdefghijklmnop
npm_abcdefghijklmnopqrstuvwxyz012345
123456789:AAabcdefghijklmnopqrstuvwxyz
Bearer abcdef123456
Authorization: Basic dXNlcjpwYXNz
password=hunter2
my password is hunter2
secret_key: abc
{"password":"x1"}
export GITHUB_TOKEN=abcdefg
https://x.example/cb?access_token=abc123def
https://s3.example/x?X-Amz-Signature=abcdef0123
postgres://bob:s3cret@db.internal/x
user:pa55@host
--password hunter2
curl -u admin:admin
mysql -u root -phunter2
DefaultEndpointsProtocol=https;AccountKey=abcdefgh12345678==
-----BEGIN RSA PRIVATE KEY-----
ssh-rsa AAAAB3NzaC1yc2E
4111 1111 1111 1111
d41d8cd98f00b204e9800998ecf8427e
""".strip().splitlines()

ORDINARY = """
/usr/local/lib/python3.11/site-packages/pydantic_core/core_schema.py
/workspace/dumps/evaluation/benchmarks/math_reasoning/
getRepositoryPullRequestsForBranchName
https://www.example.com/blog/2024/05/17/how-to-build-a-thing?page=2&limit=20
2026-01-01T10:00:00+02:00
SELECT id, name FROM `my-project.dataset_2024.table_v2` WHERE created_at > 3
feature/add-oauth2-login-flow-v2
3fa85f64-5717-4562-b3fc-2c963f66afa6
user@example.com
IMG_20240517_123456789.jpg
com.example.application.MainActivity
tests/servers/test_workspace_server.py::test_a_thing_that_works_2
dependabot/npm_and_yarn/lodash-4.17.21
mkdir -p /workspace/MyAwesomeModel-TestRepo
claude-sonnet-4-5-20250929
token bucket algorithm
the password reset page
how do I rotate an API key
1700000000000
README.md
""".strip().splitlines()


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_known(text):
    assert is_secret(text)
    assert is_secret(f'note: "{text}", please')


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text):
    assert not is_secret(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda chance: "".join(chance.choices(string.ascii_letters + string.digits, k=32)),
        lambda chance: chance.randbytes(16).hex(),
        lambda chance: base64.b64encode(chance.randbytes(30)).decode(),
        lambda chance: base64.urlsafe_b64encode(chance.randbytes(30)).decode().rstrip("="),
    ],
    ids=["letters and digits", "hex", "base64", "base64 for urls"],
)
def test_random_text_of_any_alphabet_is_taken_for_a_secret(make):
    chance = random.Random(7)
    assert sum(is_secret(make(chance)) for _ in range(500)) >= 490


def test_an_id_may_look_random_but_not_like_a_known_key():
    assert is_secret("1uLnRj1jyjnRuN3ZwwqDHGmaBdnbLCJDkijNVuV0uiPM")
    assert not is_secret("1uLnRj1jyjnRuN3ZwwqDHGmaBdnbLCJDkijNVuV0uiPM", is_id=True)
    assert is_secret("ghp_16C7e42F292c6912E7710c838347Ae178B4a", is_id=True)


def test_long_text_is_refused_unread():
    assert is_secret("a " * 10_000)


@pytest.mark.parametrize(
    "name", "password api_key apiKey accessToken authorization X-Api-Key otp private_key user_session_id".split()
)
def test_names_of_secrets(name):
    assert names_secret(name)


@pytest.mark.parametrize(
    "name", "path max_tokens key query id author pinned page primary_key token_count_x".split()[:9]
)
def test_names_of_other_things(name):
    assert not names_secret(name)


def test_names_of_ids():
    assert [name for name in ("spreadsheet_id", "fileId", "id", "idea", "video") if names_id(name)] == [
        "spreadsheet_id",
        "fileId",
        "id",
    ]
