"""Implement the mail provider Microsoft Graph, for Outlook and Microsoft 365 mailboxes."""
