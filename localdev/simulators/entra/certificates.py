"""Issue TLS certificates from a local CA, because msal requires https with valid certificates."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

from localdev.private_files import write_private_file

_RENEW_BEFORE = timedelta(days=30)


def open_server_tls_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context for localhost and 127.0.0.1, and the file of the CA certificate
    with which clients verify the server.

    The folder keeps both certificates. The function replaces them if a file is missing or the CA
    certificate expires within 30 days.
    """
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    if not (ca_file.exists() and server_file.exists() and _is_fresh(ca_file)):
        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1")
        write_private_file(server_file, server.private_key_and_cert_chain_pem.bytes().decode())
        ca_file.write_bytes(authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    return context, ca_file


def _is_fresh(file: Path) -> bool:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return certificate.not_valid_after_utc - _RENEW_BEFORE > datetime.now(UTC)
