"""Simulate the mail APIs of Microsoft Graph and Gmail, their identity platforms and an IMAP server,
with their limits and with injectable faults."""

from localdev.simulators.entra.server import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.simulators import SimulatedImapServerSettings, Simulators

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "SimulatedImapServerSettings", "Simulators"]
