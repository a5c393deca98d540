"""Simulate the part of Microsoft's identity platform that Mailsync needs."""
