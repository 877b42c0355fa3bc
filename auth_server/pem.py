"""PEM private keys of the kinds that can sign access tokens."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

MIN_RSA_BITS = 2048


def load_private_key(pem: bytes) -> PrivateKey:
    """Return the private key in a PEM: RSA of 2048 bits or more, P-256, or Ed25519.

    Raises:
        ValueError: with the end of a sentence that says what it is instead.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not an unencrypted PEM private key (PKCS#1 or PKCS#8)") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"is an RSA key of {key.key_size} bits; at least {MIN_RSA_BITS} are needed")
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("is not an RSA, P-256 or Ed25519 key")
