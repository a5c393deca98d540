"""Define the SQLite tables of the simulated identity platform."""

ENTRA_SCHEMA = """
CREATE TABLE IF NOT EXISTS consent (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, scope TEXT NOT NULL,
    refusal INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS code (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
    challenge TEXT, nonce TEXT, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS refresh_token (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS device_code (
    value TEXT PRIMARY KEY, user_code TEXT NOT NULL, scope TEXT NOT NULL,
    consent_id TEXT, declined INTEGER NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS app_certificate (thumbprint TEXT PRIMARY KEY, pem TEXT NOT NULL);
"""
