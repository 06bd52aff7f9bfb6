"""What stands before the page: which requests are let through, and what a browser may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HOSTS = {"127.0.0.1", "localhost"}
# All that the page uses; what else Gradio offers, uploads among it, is not there.
_PATHS = ("/page/", "/view/", "/download/", "/stop/", "/gradio_api/call/")
_EXACT = {"/", "/settings", "/upload", "/example", "/values", "/gradio_api/startup-events"}

_HEADERS = {
    # The browser itself then fetches nothing from elsewhere, whatever the page says.
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Lets through what the page itself asks for, from this machine.

    Other sites that are open in the same browser cannot use the server: a request must name this
    machine as its host, so that no other name is bound to it, and as its origin where it has one.

    Args:
        app: What is guarded.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value for key, value in scope.get("headers", [])}
        refusal = _refusal(scope, {k: v.decode("latin-1") for k, v in headers.items()})
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if refusal:
            status, sentence = refusal
            plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": status, "headers": plain})
            await send({"type": "http.response.body", "body": sentence.encode()})
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _refusal(scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
    """Status and sentence, where a request is not let through."""
    host = headers.get("host", "")
    if _name_of(host) not in _HOSTS:
        return 403, "This page is for this machine alone: open it at 127.0.0.1."
    if (origin := headers.get("origin")) and _site_of(origin) != host:
        return 403, "Another site asked: this page answers to itself alone."
    path = scope["path"]
    if path not in _EXACT and not path.startswith(_PATHS):
        return 404, "There is nothing here."
    return None


def _name_of(host: str) -> str | None:
    """The name in a Host header, without its port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # such as "[", the beginning of an address that does not go on
        return None


def _site_of(origin: str) -> str | None:
    """The host and port of an Origin header; None where it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
