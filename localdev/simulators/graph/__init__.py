"""Simulate the mail part of Microsoft Graph v1.0, as strict with requests as the service."""
