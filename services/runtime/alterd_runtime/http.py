"""/livez, /readyz, /metrics and what else a service shows, over loopback HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec
from prometheus_client import make_wsgi_app

from alterd_runtime.settings import HttpSettings

Respond = Callable[[dict[str, str]], tuple[int, dict[str, Any]]]
"""Query parameters → status and JSON body."""

REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Health(msgspec.Struct):
    """What a service knows of itself, by part: an empty text is well, any other says what is wrong."""

    live: dict[str, str] = {}
    ready: dict[str, str] = {}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Access is not logged."""


class HttpServer:
    """Answers in threads of its own, so that a busy loop shows as not live instead of as a refused connection."""

    def __init__(self, settings: HttpSettings, health: Callable[[], Health]) -> None:
        self._health = health
        self._metrics = make_wsgi_app()
        self._routes: dict[str, Respond] = {"/livez": self._livez, "/readyz": self._readyz}
        self._server = make_server(settings.host, settings.port, self._app, server_class=_Server, handler_class=_Quiet)
        self.url = f"http://{settings.host}:{self._server.server_port}"

    def route(self, path: str, respond: Respond) -> None:
        self._routes[path] = respond

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _livez(self, _query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        return self._parts(self._health().live)

    def _readyz(self, _query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        health = self._health()
        return self._parts({**health.live, **health.ready})

    @staticmethod
    def _parts(parts: dict[str, str]) -> tuple[int, dict[str, Any]]:
        return (503 if any(parts.values()) else 200), {name: why or "ok" for name, why in parts.items()}

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            return self._metrics(environ, start_response)  # type: ignore[no-any-return]
        respond = self._routes.get(path)
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        status, body = respond(query) if respond else (404, {"error": f"there is no {path}"})
        payload = b"" if environ.get("REQUEST_METHOD") == "HEAD" else json.dumps(body).encode() + b"\n"
        start_response(
            f"{status} {REASONS.get(status, 'Status')}",
            [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))],
        )
        return [payload]
