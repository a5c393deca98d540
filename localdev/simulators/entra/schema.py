"""Define the SQLite tables of the simulated identity platform."""

from localdev.simulators.identity.consents import consent_tables_sql

CREATE_ENTRA_TABLES_SQL = f"""
{consent_tables_sql("")}
CREATE TABLE IF NOT EXISTS device_code (
    value TEXT PRIMARY KEY, user_code TEXT NOT NULL, scope TEXT NOT NULL,
    consent_id TEXT, declined INTEGER NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS app_certificate (thumbprint TEXT PRIMARY KEY, pem TEXT NOT NULL);
"""
