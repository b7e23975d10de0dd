"""Certificates and keys for a deployment of Flower: who the server is, and which nodes may take part.

For machines of one's own and for teaching: a CA that signs one server, valid for as many days as asked, kept as files.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DAYS = 30


def make_certificates(folder: Path, hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"), days: int = DAYS) -> None:
    """Write ca.crt, which every node is given, and server.pem and server.key, which stay with the SuperLink.

    hosts: names and addresses by which nodes reach the server; with another one they refuse it. The CA's key is kept nowhere:
    whoever needs another certificate makes all of them anew.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def of_host(host: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)

    now = datetime.datetime.now(datetime.UTC)

    def begun(subject: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("fedlab CA")).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=days))
        )  # fmt: skip

    ca, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    signs = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root = (
        begun("fedlab CA", ca.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca.public_key()), critical=False)
        .sign(ca, hashes.SHA256())
    )  # fmt: skip
    certificate = (
        begun("fedlab SuperLink", server.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([of_host(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)
        .sign(ca, hashes.SHA256())
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_secret(folder / "server.key", server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption(),
    ))  # fmt: skip


def make_node_key(folder: Path, name: str) -> Path:
    """Write `name`, a node's private key that never leaves it, and `name.pub`, which the SuperLink is told. ECDSA, P-384."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP384R1())
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(folder / name, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption(),
    ))  # fmt: skip
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / f"{name}.pub").write_bytes(public + b"\n")
    return folder / name


def sign(key: Path, data: bytes) -> bytes:
    """The signature of some data by a node's private key, as `make_node_key` wrote it: what says who sends a request."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private: Any = serialization.load_ssh_private_key(key.read_bytes(), password=None)
    return private.sign(data, ec.ECDSA(hashes.SHA256()))


def is_signed(public: Path, data: bytes, signature: bytes) -> bool:
    """Whether this signature of these data is by the private key that belongs to `public`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key: Any = serialization.load_ssh_public_key(public.read_bytes())
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def shake_hands(folder: Path, trusted: Path, host: str = "localhost") -> str:
    """A TLS handshake, in memory, with the server whose certificate `make_certificates` wrote into `folder`. Returns the version.

    trusted: the CA that the other side believes; host: by what name it reaches the server. ssl.SSLCertVerificationError where
    that CA has not signed the certificate, or not for that name.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    client = ssl.create_default_context(cafile=str(trusted))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)]
    for _ in range(4):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):  # it waits for the other side
                side.do_handshake()
    return str(sides[0].version())


def _write_secret(file: Path, data: bytes) -> None:
    """A file that only its owner can read, from its first moment on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
