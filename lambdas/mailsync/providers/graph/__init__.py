"""Microsoft Graph: Outlook and Microsoft 365 mailboxes."""
