"""What the guide that this replaces promises of the status: nine fields and their types."""

STATUS_FIELDS = {
    "accountId": str,
    "emailAddress": str,
    "provider": str,
    "status": str,
    "syncStatus": str,
    "lastSyncAt": str,
    "initialSyncCompleted": bool,
    "syncProgress": int,
    "syncTotal": int,
}
