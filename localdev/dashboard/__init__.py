"""The dashboard: what ran, what is stuck and why, what happens next, and the mail itself."""
