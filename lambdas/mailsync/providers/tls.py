"""Create the TLS context of HTTP connections to providers."""

import ssl
from functools import cache


@cache
def http_tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the TLS context for HTTP connections. Creating it takes 8 ms, so the process creates
    it once for all mailboxes that a function opens. Not for IMAP: the HTTP client stores in the
    context which protocols it offers to servers.

    ca_bundle: path of a file with the CA certificates to trust. None: the system's CA certificates.
    """
    return ssl.create_default_context(cafile=ca_bundle)
