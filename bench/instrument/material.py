"""What do targets and load have in common: files, ports, tokens, certificates?"""

import base64
import datetime
import hashlib
import json
import os
import socket
import sys
import time

from .scenarios import CLIENTS, TOKENS

ISSUER, AUDIENCE = "https://issuer.bench/oauth2", "bench"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_tokens(folder):
    """One RSA key and, per client, ten tokens; kept from run to run while they are good."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    done = f"{folder}/tokens.json"
    if os.path.exists(done) and time.time() - os.path.getmtime(done) < 86_400:
        return json.load(open(done))
    print("making 10,000 tokens …", file=sys.stderr)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    n = _b64(key.public_key().public_numbers().n.to_bytes(256, "big"))
    thumbprint = json.dumps({"e": "AQAB", "kty": "RSA", "n": n}, separators=(",", ":"))
    kid = _b64(hashlib.sha256(thumbprint.encode()).digest())
    head = _b64(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": kid}).encode())
    now = int(time.time())

    def sign(i, **claims):
        client = f"client-{i % CLIENTS}"
        body = {"iss": ISSUER, "sub": client, "aud": AUDIENCE, "client_id": client, "azp": client,
                "iat": now, "exp": now + 7 * 86_400, "jti": f"t{i}", "scope": "read"} | claims
        text = f"{head}.{_b64(json.dumps(body, separators=(',', ':')).encode())}"
        return f"{text}.{_b64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    good = [sign(i) for i in range(TOKENS)]
    bad = {
        "signature": good[0][:-8] + ("A" * 8 if not good[0].endswith("A" * 8) else "B" * 8),
        "expired": sign(0, exp=now - 3600),
        "issuer": sign(0, iss="https://other.bench"),
        "audience": sign(0, aud="other"),
    }
    jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": "AQAB"}]}
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    data = {"good": good, "bad": bad, "jwks": jwks, "pem": pem}
    write(done, json.dumps(data))
    return data


def make_certificate(folder):
    """A self-signed P-256 certificate for the peers: the kind that the gateway makes for itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=7))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    chain = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    write(f"{folder}/both.pem", chain + private)
    return write(f"{folder}/cert.pem", chain), write(f"{folder}/key.pem", private)
