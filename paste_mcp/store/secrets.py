"""Whether a text is, or holds, something that must not be written down: keys, tokens, passwords, card numbers.

Errs on the side of refusing: an ordinary text that is taken for a secret is only not remembered. Every expression is
linear in the text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import Final

MAX_LOOKED_AT: Final = 512
"""Characters; a longer text counts as a secret, unread."""

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SECRET_WORDS: Final = frozenset(
    "password passwd passcode passphrase pwd secret secrets token credential credentials authorization authentication "
    "auth bearer cookie cookies jwt otp totp pin cvv cvc ssn signature apikey apitoken accesskey secretkey privatekey "
    "authtoken accesstoken refreshtoken sessionid csrf xsrf".split()
)
_KEY_KINDS: Final = frozenset("api access secret private encryption signing master ssh account storage license".split())

_ID_WORDS: Final = frozenset("id ids uuid guid gid uid sha commit revision".split())

_FORMATS: Final = re.compile(
    r"""
    \b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA)[A-Z0-9]{12,}          # AWS
    | \bgh[pousr]_\w{16,} | \bgithub_pat_\w{16,} | \bglpat-[\w-]{16,} | \bATATT3[\w=-]{16,} | \bbitbucket_\w{16,}
    | \bxox[abeoprs]-[\w-]{8,} | hooks\.slack\.com/services/\S+ | discord(?:app)?\.com/api/webhooks/\S+
    | \b(?:sk|pk|rk)[-_](?:live|test|ant|proj|or|svcacct)[-_][\w-]{8,} | \bsk-[A-Za-z0-9_-]{16,} | \bwhsec_\w{8,}
    | \bAIza[\w-]{20,} | \bya29\.[\w-]{8,} | \bGOCSPX-[\w-]{8,} | \b1//0[\w-]{16,}
    | \bhf_[A-Za-z0-9]{16,} | \bnpm_[A-Za-z0-9]{16,} | \bpypi-[\w-]{16,} | \bdckr_pat_[\w-]{8,} | \bdop_v1_\w{16,}
    | \bSG\.[\w-]{8,}\.[\w-]{8,} | \bkey-[0-9a-f]{16,} | \bshp(?:at|ca|pa|ss)_\w{8,} | \bsq0\w{3}-[\w-]{8,}
    | \bnotion_?\w*_[\w]{20,} | \blin_api_\w{8,} | \b(?:ntn|secret)_\w{20,} | \bpat-[a-z]{2,4}\d?-[\w-]{16,}
    | \bAGE-SECRET-KEY-\w+ | \bhv[bs]\.[\w-]{16,} | \beyJ[\w-]{6,}\.[\w-]{6,} | \b\d{8,10}:AA[\w-]{20,}
    | -----BEGIN\ [A-Z\ ]*(?:PRIVATE\ KEY|CERTIFICATE|PGP\ MESSAGE) | PuTTY-User-Key-File
    | \bssh-(?:rsa|ed25519)\ AAAA\S+ | (?i:AccountKey|SharedAccessSignature|sig)=[\w%+/=-]{8,}
    """,
    re.VERBOSE,
)
_SAID: Final = re.compile(
    r"""(?ix)
    (?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|api[-_\ ]?key|access[-_\ ]?key|private[-_\ ]?key|credentials?
       |authorization|x-amz-signature|x-amz-credential|sessionid|cookie) [\w-]{0,20}
    ["']? \s{0,3} (?: [:=] | \bis\b ) \s{0,3} ["']? [^\s"']
    | \b(?:bearer|basic|digest|negotiate)\ [\w+/=.~-]{8,}
    | --?(?:pw|pass|password|token|secret|api-?key|auth)[=\ ][^\s-]\S{2,}
    | (?:^|\s)-u\ ?\S+:\S+ | \bmysql\w{0,8}\ [^|;]{0,200}-p\S+
    | ://[^/\s:@]{0,80}:[^/\s@]{1,80}@
    """
)
_USER_INFO: Final = re.compile(r"[^/\s:@]{1,80}:[^/\s:@]{1,80}@[\w.-]")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_RUN: Final = re.compile(r"[A-Za-z0-9+_=-]{16,}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=]{20,}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{24,}\Z")
_DIGITS: Final = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")


@lru_cache(maxsize=16_384)
def is_secret(text: str, *, is_id: bool = False) -> bool:
    """It looks like a secret, or like text with one in it. What is known to be an id may look random."""
    if len(text) > MAX_LOOKED_AT:
        return True
    if len(text) < 4 or (len(text) < 16 and text.isidentifier()):
        return False
    if _FORMATS.search(text) or _SAID.search(text) or _USER_INFO.search(text):
        return True
    if any(_is_card(found.group()) for found in _DIGITS.finditer(text)):
        return True
    if is_id and _ID.fullmatch(text):
        return False
    plain = _UUID.sub(" ", text)
    parts = (run.replace("/", "") for run in _BASE64.findall(plain))
    return any(map(_is_random, _RUN.findall(plain))) or any(_is_mixed(part) for part in parts)


def names_id(name: str) -> bool:
    """An argument or member of this name holds what something is known by."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and words[-1] in _ID_WORDS


@lru_cache(maxsize=4_096)
def names_secret(name: str) -> bool:
    """An argument or member of this name holds a secret, whatever it looks like."""
    words = [word.lower() for word in _WORD.findall(name)]
    if "".join(words) in _SECRET_WORDS or not _SECRET_WORDS.isdisjoint(words):
        return True
    return any((a in _KEY_KINDS and b in ("key", "keys")) or (a, b) == ("session", "id") for a, b in pairwise(words))


def _is_card(digits: str) -> bool:
    """A payment card's number, by its check digit."""
    plain = [int(sign) for sign in digits if sign.isdecimal()]
    if not 13 <= len(plain) <= 19 or plain[0] not in (3, 4, 5, 6):
        return False
    doubled = [n if place % 2 == 0 else (2 * n - 9 if n > 4 else 2 * n) for place, n in enumerate(reversed(plain))]
    return sum(doubled) % 10 == 0


def _is_random(run: str) -> bool:
    """Letters and digits in no order that a person would write."""
    if _HEX.match(run):
        return not run.isdecimal() and _entropy(run.lower()) > 2.5
    return _is_mixed(run) or (run.isalpha() and len(run) >= 24 and _entropy(run.lower()) > 4.0)


def _is_mixed(run: str) -> bool:
    """Capitals, small letters and digits change places more often than in words and numbers."""
    kinds = ["d" if s.isdecimal() else "u" if s.isupper() else "l" if s.islower() else "" for s in run]
    inner = [kind for kind in kinds if kind]
    if len(inner) < 16:
        return False
    # Words begin with a capital and numbers stand together; in random text the kind changes at most second signs.
    changes = sum(
        1 for before, after in pairwise(kinds) if before and after and before != after and (before, after) != ("u", "l")
    )
    return changes >= (4 if "d" in inner else 6) and changes / len(inner) > (0.21 if "l" in inner else 0.13)


def _entropy(text: str) -> float:
    """Bits a sign."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
