"""By which name the simulators call themselves; containers know the host as localhost only."""

from pathlib import Path
from ssl import create_default_context
from urllib.parse import urlsplit

import httpx

from localdev.simulators.simulators import Simulators


def test_every_link_bears_the_name_that_was_chosen(tmp_path: Path) -> None:
    with Simulators(tmp_path, host="localhost") as simulators:
        address = f"{simulators.authority}/v2.0/.well-known/openid-configuration"
        trust = create_default_context(cafile=simulators.ca_bundle)
        described = httpx.get(address, verify=trust).json()

    links = [each for each in described.values() if str(each).startswith("http")]
    assert len(links) > 2
    assert {urlsplit(each).hostname for each in [*links, simulators.graph_url]} == {"localhost"}
