"""The TLS context of connections to providers over HTTP."""

import ssl
from functools import cache


@cache
def http_tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the TLS context of this process, which takes 8 ms to make: a function opens several
    mailboxes. Only for HTTP, since the client sets the protocols that it offers to the server.

    ca_bundle: path of the authorities to trust. None: the authorities of the system.
    """
    return ssl.create_default_context(cafile=ca_bundle)
