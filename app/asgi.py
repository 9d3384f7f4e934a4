"""The ASGI application: every door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from app import export, http
from app.accept import accepted
from app.doorway import Doorway
from app.metrics import MEDIA_TYPE
from app.pages import Pages
from app.process import Process
from app.websocket import Sockets
from resolvers.access import Scope, admit
from resolvers.errors import RequestError, Unauthenticated
from schema.errors import error_body


def create_app(
    process: Process,
    pages: Pages | None = None,
    measures: Callable[[], Awaitable[bytes]] | None = None,
    sockets: Sockets | None = None,
) -> ASGIApp:
    """The application over a running process; `measures` and `sockets` replace the process's
    own.
    """
    shown = pages or Pages()
    settings = process.settings

    async def graphql(request: Request) -> Response:
        if settings.graphiql and _is_for_a_page(request):
            return await shown.graphiql(request)
        return await http.answer(request, process)

    async def exported(request: Request) -> Response:
        return await export.answer(request, process)

    async def ready(request: Request) -> Response:
        problems = await process.problems()
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    async def metrics(request: Request) -> Response:
        if not settings.open_metrics:
            try:
                viewer = await process.identity.viewer(request.headers.get("authorization"))
                admit(viewer, Scope.ADMIN)
            except RequestError as wrong:
                status = 401 if isinstance(wrong, Unauthenticated) else 403
                headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
                return JSONResponse(error_body(str(wrong), wrong.code), status, headers)
        text = await (measures() if measures else process.metrics.text(process))
        return Response(text, media_type=MEDIA_TYPE)

    others = Router(  # what goes wrong in here is answered at the doorway
        [
            Route("/graphql", graphql),
            Route("/", _home),
            Route("/billing/usage", shown.usage),
            Route("/usage-feed.js", shown.element),
            Route("/assets/{path:path}", shown.asset),
            *(Route(path, exported) for path in ("/export", "/export.csv", "/export.jsonl")),
            Route("/healthz", _alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        redirect_slashes=False,  # to an address whose scheme only a proxy knows
    )

    async def requests(scope: ASGIScope, receive: Receive, send: Send) -> None:
        # Past the router, which takes as long as reading the body does.
        if scope["path"] == "/graphql" and scope.get("method") != "GET":
            response = await http.answer(Request(scope, receive), process)
            await response(scope, receive, send)
        else:
            await others(scope, receive, send)

    doors = Doorway(_across_origins(requests, settings.allowed_origins), process.metrics)
    talk = sockets or Sockets(process)

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        # Past the middleware, which is for requests: a socket would carry it while it is open.
        if scope["type"] == "websocket" and scope["path"] == "/graphql":
            await talk(scope, receive, send)
        else:
            await doors(scope, receive, send)

    return app


def _across_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("X-Request-Id", "Retry-After", "Content-Disposition"),
    )


def _is_for_a_page(request: Request) -> bool:
    asks = "query" in request.query_params
    return not asks and accepted(request.headers.get("accept")).is_page


async def _home(request: Request) -> Response:
    return RedirectResponse("/billing/usage")


async def _alive(request: Request) -> Response:
    return PlainTextResponse("ok\n")
