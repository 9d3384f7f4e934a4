"""The pages and their assets, as the web build left them in `web/dist`.

Owns caching, compression and the content security policy of pages. Owns no content.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

DIST = Path(__file__).resolve().parent.parent / "web" / "dist"

_NOT_BUILT = "The pages are not built: npm run build in web/."
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_EDITOR = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The editor of GraphiQL styles itself inline."""


class Pages:
    """Serves what was built; nothing that is not in the build can be named."""

    def __init__(self, dist: Path = DIST) -> None:
        self._dist = dist
        self._assets = {
            path.relative_to(dist / "assets").as_posix(): path
            for path in (dist / "assets").rglob("*")
            if path.is_file() and path.suffix not in _ENCODINGS.values()
        }

    async def graphiql(self, request: Request) -> Response:
        return self._page(request, "graphiql.html", _EDITOR)

    async def usage(self, request: Request) -> Response:
        return self._page(request, "usage.html", _STRICT)

    async def element(self, request: Request) -> Response:
        """The `<usage-feed>` element, under the name that host pages include."""
        path = self._dist / "usage-feed.js"
        if not path.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        return _file(request, path, {"Cache-Control": "no-cache"})

    async def asset(self, request: Request) -> Response:
        """A file whose name has its content's hash: it never changes."""
        path = self._assets.get(request.path_params["path"])
        if path is None:
            return PlainTextResponse("There is no such file.", 404)
        return _file(request, path, {"Cache-Control": "public, max-age=31536000, immutable"})

    def _page(self, request: Request, name: str, policy: str) -> Response:
        path = self._dist / name
        if not path.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}
        return _file(request, path, headers)


def _file(request: Request, path: Path, headers: dict[str, str]) -> Response:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    accepted = {
        part.split(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")
    }
    headers = {**headers, "Vary": "Accept, Accept-Encoding"}
    # No file is long, and a header of a thousand ranges costs more than any file.
    request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    for encoding, suffix in _ENCODINGS.items():
        compressed = path.with_name(path.name + suffix)
        if encoding in accepted and compressed.is_file():
            path = compressed
            headers["Content-Encoding"] = encoding
            break
    return FileResponse(path, headers=headers, media_type=media_type)
