"""Compare the Gmail API and Google's identity platform with their simulators."""
