"""Implement the HTTP API: its routes, the models of requests and responses, and its errors as RFC
9457 problems."""
