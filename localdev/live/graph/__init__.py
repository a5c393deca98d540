"""Compare Microsoft Graph and Microsoft's identity platform with their simulators."""
