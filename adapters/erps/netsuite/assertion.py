"""Signs the statement that an access token is asked with: who we are, for a few minutes.

NetSuite's OAuth 2.0 client credentials flow takes a JWT signed with the private key of a certificate uploaded there:
RSA keys sign with PS256, P-256 keys with ES256.
"""

import base64
import time
from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from config.nearest import ConfigError

LIFE_S = 300
_SCOPE = "rest_webservices"

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


def read_key(pem: str) -> PrivateKey:
    """The private key of a PEM text. Raises ConfigError, quoting nothing of it, for any other text or kind of key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ConfigError("netsuite: the secret is no private key in PEM without a password") from None
    if isinstance(key, RSAPrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)):
        return key
    raise ConfigError("netsuite: the private key must be RSA or P-256, as its certificate in NetSuite")


def assertion(key: PrivateKey, client_id: str, certificate_id: str, audience: str, now_s: float | None = None) -> str:
    """A signed statement for the token address ``audience``, good for five minutes."""
    begin = int(time.time() if now_s is None else now_s)
    head = {"typ": "JWT", "alg": "PS256" if isinstance(key, RSAPrivateKey) else "ES256", "kid": certificate_id}
    claims = {"iss": client_id, "scope": [_SCOPE], "aud": audience, "iat": begin, "exp": begin + LIFE_S}
    signed = f"{_part(head)}.{_part(claims)}"
    return f"{signed}.{_url_safe(_signature(key, signed.encode()))}"


def _signature(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(data, PSS(MGF1(SHA256()), SHA256.digest_size), SHA256())
    r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _part(told: Mapping[str, object]) -> str:
    return _url_safe(msgspec.json.encode(told))


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
