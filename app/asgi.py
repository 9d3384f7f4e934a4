"""The ASGI application: every door, and the headers that all of them send."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import export, http, questions
from app.pages import Pages
from app.process import Process
from app.websocket import Sockets

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def create_app(process: Process, pages: Pages | None = None) -> Starlette:
    """The application over a running process."""
    shown = pages or Pages()
    settings = process.settings

    async def graphql(request: Request) -> Response:
        if settings.graphiql and questions.wants_page(request):
            return await shown.graphiql(request)
        return await http.answer(request, process)

    async def exported(request: Request) -> Response:
        return await export.answer(request, process)

    async def ready(request: Request) -> Response:
        problems = await process.problems()
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    middleware = [Middleware(SecurityHeaders)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("Authorization", "Content-Type"),
                expose_headers=("X-Request-Id", "Retry-After"),
            )
        )
    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", Sockets(process).serve),
            Route("/", _home),
            Route("/billing/usage", shown.usage),
            Route("/assets/{path:path}", shown.asset),
            *(Route(path, exported) for path in ("/export", "/export.csv", "/export.jsonl")),
            Route("/healthz", _alive),
            Route("/readyz", ready),
        ],
        middleware=middleware,
    )


async def _home(request: Request) -> Response:
    return RedirectResponse("/billing/usage")


async def _alive(request: Request) -> Response:
    return PlainTextResponse("ok\n")


class SecurityHeaders:
    """Adds what browsers should hold every response to, unless the response says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
