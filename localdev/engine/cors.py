"""Handle cross-origin requests for the allowed origins as API Gateway does for an HTTP API.

Source: Amazon API Gateway Developer Guide, "Configure CORS for HTTP APIs in API Gateway".
"""

from collections.abc import Iterable
from dataclasses import replace

from infra.catalog import CORS_MAX_AGE_S, CORS_METHODS, CORS_REQUEST_HEADERS, CORS_RESPONSE_HEADERS
from localdev.http_server import Request, Response


class CorsPolicy:
    """Adds the CORS headers that let pages of `origins` use the API.

    Without origins it adds no headers and answers no preflight requests, as an API without CORS
    settings.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def preflight_response(self, request: Request) -> Response | None:
        """Return the response to a CORS preflight request, for any path. Return None for any other
        request, and for every request if no origin is allowed."""
        asks = "origin" in request.headers and "access-control-request-method" in request.headers
        if not (self._origins and request.method == "OPTIONS" and asks):
            return None
        if not self._allows(request):
            return Response(204)
        return self.add_cors_headers(
            request,
            Response(
                204,
                headers={
                    "access-control-allow-methods": ",".join(CORS_METHODS),
                    "access-control-allow-headers": ",".join(CORS_REQUEST_HEADERS),
                    "access-control-max-age": str(CORS_MAX_AGE_S),
                },
            ),
        )

    def add_cors_headers(self, request: Request, response: Response) -> Response:
        """Add the headers that let a page of an allowed origin read the response; return the
        response, unchanged for any other origin."""
        if not self._allows(request):
            return response
        headers = {
            "access-control-allow-origin": request.headers["origin"],
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": ",".join(CORS_RESPONSE_HEADERS),
            "vary": "Origin",
        }
        return replace(response, headers={**response.headers, **headers})

    def _allows(self, request: Request) -> bool:
        return request.headers.get("origin") in self._origins
