"""The part of the Microsoft identity platform that a confidential web app needs."""
