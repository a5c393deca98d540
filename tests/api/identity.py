"""The identity platform, and a person with a browser who signs in there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from urllib.parse import parse_qsl, urlsplit

import httpx

from localdev.http_server import Server
from localdev.simulators.entra.certificates import server_tls
from localdev.simulators.entra.face import CLIENT_ID, CLIENT_SECRET, EntraFace
from localdev.simulators.entra.tokens import TokenSigner
from localdev.simulators.service import Service


@dataclass(frozen=True)
class Identity:
    authority: str
    ca_bundle: Path

    def settings(self) -> dict[str, str]:
        return {
            "MICROSOFT_AUTHORITY": self.authority,
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
            "CA_BUNDLE": str(self.ca_bundle),
        }

    def choose(self, authorization_url: str, **choice: str) -> dict[str, str]:
        """The query with which the platform sends the browser back."""
        with httpx.Client(verify=create_default_context(cafile=self.ca_bundle)) as browser:
            answer = browser.post(authorization_url, data=choice)
        assert answer.status_code == 302
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


@contextmanager
def identity_platform(folder: Path, *addresses: str) -> Iterator[Identity]:
    """Knows people of these addresses; serves real TLS on a free port until the block ends."""
    service = Service(folder)
    for address in addresses:
        service.add_mailbox(address, "Somebody")
    face = EntraFace(
        service,
        TokenSigner(service.database),
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )
    tls, ca_bundle = server_tls(folder)
    server = Server(face, port=0, tls=tls).start()
    face.base_url = f"https://localhost:{server.port}"
    try:
        yield Identity(f"{face.base_url}/common", ca_bundle)
    finally:
        server.stop()
        service.database.close()
