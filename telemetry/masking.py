"""Masks what looks like a secret or like personal data inside a text."""

import re
from collections.abc import Callable

MASK = "[masked]"
LONGEST_INPUT = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_URL_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)[^\s]*@")
_AT = re.compile(r"(?:\"[^\"@]{0,128}\"|[^\s@\"'<>(),;=\[\]]+)@[^\s@\"'<>(),;\[\]]+")
_NAMED_SECRET = re.compile(
    r"(?i)\b(?P<name>[\w-]{0,24}(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|signature|hmac[\w-]{0,12}|cookie))"
    r"(?P<sep>[\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?[\"']?[^\s\"',;&]+"
)
_SCHEME_SECRET = re.compile(r"(?i)\b(?:bearer|basic|digest|token)\s+[A-Za-z0-9._~+/=-]{6,}")
_PREFIXED_SECRET = re.compile(
    r"(?i)(?<![a-z0-9])(?:(?:whsec|whsk|whpk|sk|pk|rk|shpat|shpss|shpca|shppa|shpua|gh[pousr]|github_pat|glpat|sntrys)[_-]|xox[abpr]-|v1a?,)"
    r"[A-Za-z0-9._+/=-]{4,}"
)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}")
_CLOUD_KEY = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}")
_PEM = re.compile(r"-----BEGIN.*", re.DOTALL)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_PLAIN_WORDS = re.compile(r"[a-z_/-]+")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){14,15}(?!\d)")
_INTERNATIONAL = re.compile(r"\+\d(?:[ ().\-/]{0,3}\d){6,16}")
_NUMBERISH = re.compile(r"\(?\d(?:[ ().\-/]{0,3}\d){8,}")
_DATE = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d(?: [0-2]\d)?")


def mask_text(text: str) -> str:
    """Free text with secrets, e-mail addresses, phone and card numbers and every run of nine or more digits masked.

    Names and street addresses have no shape: they must never be put into a text in the first place.
    """
    masked = mask_key(text)
    masked = _LONG_RUN.sub(_mask_unless(_harmless_run), masked)
    return _NUMBERISH.sub(_mask_unless(lambda found: bool(_DATE.fullmatch(found))), masked)


def mask_key(text: str) -> str:
    """An identifier with the unmistakable kinds masked; plain long numbers stay, for they are what business keys are made of."""
    masked = _CONTROL.sub(" ", text[:LONGEST_INPUT])
    masked = _URL_LOGIN.sub(r"\1", masked)
    masked = _PEM.sub(MASK, masked)
    masked = _NAMED_SECRET.sub(rf"\g<name>\g<sep>{MASK}", masked)
    for pattern in (_AT, _SCHEME_SECRET, _PREFIXED_SECRET, _JWT, _CLOUD_KEY, _INTERNATIONAL):
        masked = pattern.sub(MASK, masked)
    return _CARD.sub(_mask_unless(lambda found: not _passes_luhn(found)), masked)


def _mask_unless(harmless: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda found: found.group() if harmless(found.group()) else MASK


def _harmless_run(run: str) -> bool:
    return bool(_PLAIN_WORDS.fullmatch(run) or _UUID.fullmatch(run))


def _passes_luhn(text: str) -> bool:
    digits = [int(char) for char in reversed(text) if char.isdecimal()]
    doubled = (digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0
