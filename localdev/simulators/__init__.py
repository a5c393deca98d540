"""Simulate Microsoft Graph's mail API and its identity platform, with their limits and with
injectable faults."""

from localdev.simulators.entra.server import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.simulators import Simulators

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Simulators"]
