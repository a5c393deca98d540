"""Simulators of Microsoft Graph mail and the identity platform, with their limits and faults."""

from localdev.simulators.entra.server import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.simulators import Simulators

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Simulators"]
