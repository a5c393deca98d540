"""Simulate Google's identity platform: sign-in, tokens, revocation, and the tokens of pushes."""
