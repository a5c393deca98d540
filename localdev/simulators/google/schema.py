"""Define the SQLite tables of Google's simulated identity platform."""

from localdev.simulators.identity.consents import consent_tables_sql

CREATE_GOOGLE_TABLES_SQL = f"""
{consent_tables_sql("google_")}
CREATE TABLE IF NOT EXISTS google_account (
    user_id TEXT PRIMARY KEY, subject TEXT NOT NULL UNIQUE, organisation TEXT);
CREATE TABLE IF NOT EXISTS google_offline_consent (consent_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS google_access_token (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, expires_at REAL NOT NULL);
"""
