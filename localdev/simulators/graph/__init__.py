"""The mail part of Microsoft Graph v1.0, as strict as the service."""
