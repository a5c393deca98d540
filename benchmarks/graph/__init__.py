"""Measure the first sync of a mailbox on the simulated Microsoft Graph, beside the guide's way."""
