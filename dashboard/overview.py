"""JSON for the dashboard's first page: which stack it shows, and commands to try with it. Pure."""

from dashboard.sources import Sources
from dashboard.to_json import Json


def overview(sources: Sources, totals: Json) -> Json:
    """Return the stack's addresses and totals; a token and commands only while dev login is on."""
    simulated = sources.provider is not None
    token = sources.token() if sources.is_dev_login_on else None
    account_id = totals["firstAccountId"] or "ACCOUNT_ID"
    return {
        "stage": sources.stage,
        "simulated": simulated,
        "apiUrl": sources.api_url,
        "awsUrl": sources.aws_url,
        "signInUrl": f"{sources.api_url}/api/auth/microsoft" if sources.is_dev_login_on else None,
        "showsBodies": sources.shows_bodies,
        "token": token,
        "accounts": totals["accounts"],
        "runsOpen": totals["runsOpen"],
        "curl": _lines(sources.api_url, token, account_id) if token else [],
    }


def _lines(api_url: str, token: str, account_id: str) -> list[dict[str, str]]:
    curl = f'curl -s -H "Authorization: Bearer {token}" "{api_url}'
    body = f'{{"accountId": "{account_id}", "syncType": "manual"}}'
    return [
        {"title": "Run the self-test", "line": f'{curl}/api/test-sync"'},
        {
            "title": "Start a sync",
            "line": f"{curl}/api/email/sync\" -H 'Content-Type: application/json' -d '{body}'",
        },
        {
            "title": "See its status",
            "line": f'{curl}/api/email/sync?accountId={account_id}"',
        },
    ]
