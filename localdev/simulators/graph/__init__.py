"""The mail part of Microsoft Graph v1.0, simulated as strictly as the service checks requests."""
