"""Access: every request counted and logged by its route, never by an address that holds a token."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmforge.gateway.metrics import Metrics

_log = structlog.get_logger()
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_QUIET = ("/healthz", "/readyz", "/metrics")


class AccessLog:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and note how."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, noted = time.monotonic(), False

        async def note(message: Message) -> None:
            nonlocal noted
            if message["type"] == "http.response.start" and not noted:
                noted = True
                self._note(scope, message["status"], time.monotonic() - began)
            await send(message)

        with structlog.contextvars.bound_contextvars():
            try:
                await self._app(scope, receive, note)
            except Exception:
                if not noted:  # it is answered with 500 by the layer outside of this one
                    self._note(scope, 500, time.monotonic() - began)
                raise

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.answered(method, route, status, seconds)
        if route not in _QUIET or status >= 500:
            named = {
                name: value
                for name, value in scope.get("path_params", {}).items()
                if name in ("film_id", "shot_id")
            }
            _log.info(
                "request",
                method=method,
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                **named,
            )
