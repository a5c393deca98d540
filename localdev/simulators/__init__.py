"""Microsoft Graph mail and the identity platform, simulated with their limits and bad days."""

from localdev.simulators.entra.server import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.simulators import Simulators

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Simulators"]
