"""Simulate the Gmail API (REST, v1) in front of the simulated mailboxes."""
