"""The HTTP API: routes, models of requests and responses, and errors as RFC 9457 problems."""
