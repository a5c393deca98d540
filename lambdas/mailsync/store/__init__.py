"""Postgres: rows and the cursor move together, and a repeated page changes nothing."""
