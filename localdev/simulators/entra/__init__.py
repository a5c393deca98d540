"""Simulate the part of Microsoft's identity platform that a confidential web app needs."""
