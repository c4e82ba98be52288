"""Makes a certificate authority and a server certificate in a directory that has none."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE = "ca.pem"
_CERTIFICATE_FILE = "server.pem"
_KEY_FILE = "server-key.pem"
_VALID_DAYS = 365


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """The files of a server's certificate. Clients must trust `ca_file`."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    @property
    def certificate_pem(self) -> bytes:
        """Return the server's certificate."""
        return self.certificate_file.read_bytes()

    @property
    def key_pem(self) -> bytes:
        """Return the server's private key."""
        return self.key_file.read_bytes()

    def ssl_context(self, *, http2: bool = False) -> ssl.SSLContext:
        """Return the TLS settings of a server of this process."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_file, self.key_file)
        if http2:
            context.set_alpn_protocols(["h2"])
        return context


def tls_identity_in(directory: Path, host: str, now_ms: int) -> TlsIdentity:
    """Return the identity in the directory; make one for `host` and localhost when there is none. Raises `OSError`."""
    identity = TlsIdentity(directory / CA_FILE, directory / _CERTIFICATE_FILE, directory / _KEY_FILE)
    if not all(path.exists() for path in (identity.ca_file, identity.certificate_file, identity.key_file)):
        directory.mkdir(parents=True, exist_ok=True)
        _make(identity, host, datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC))
    return identity


def _make(identity: TlsIdentity, host: str, now: datetime.datetime) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("byoc simulator CA")
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        _certificate(_name("byoc simulator"), ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    identity.key_file.touch(mode=0o600)
    identity.key_file.chmod(0o600)  # one that was there keeps its own rights otherwise
    identity.key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    identity.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    identity.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return names if host == "localhost" else [*names, x509.DNSName(host)]
    return names if address.is_loopback else [*names, x509.IPAddress(address)]
