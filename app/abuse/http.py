"""HTTP that is wrong, hostile or endless, and pages of other sites."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from app.abuse.cases import JSON, Attempt, Case, sending
from app.abuse.stage import Stage
from app.abuse.wire import Headers, connected, request

ASKED = b'{"query": "{ viewer { kind } }"}'
SIZE = len(ASKED)
HOST = "Host: 127.0.0.1"
TYPE = "Content-Type: application/json"
EVIL = "https://evil.example"
FORM = "application/x-www-form-urlencoded"
SMUGGLED = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED = "400"
UNCLEAR = "400 BAD_USER_INPUT"
MANY = 1_500


def _lines(*lines: str, body: bytes = b"", end: str = "\r\n") -> Attempt:
    """Sends a head of these lines; `$` stands for a right credential."""

    def data(stage: Stage) -> bytes:
        credential = f"Authorization: Bearer {stage.token()}"
        text = end.join([*lines, "", ""]).replace("$", credential)
        return text.encode("latin-1") + body

    return sending(data)


def _posted(*lines: str, body: bytes = ASKED) -> Attempt:
    length = f"Content-Length: {len(body)}"
    return _lines("POST /graphql HTTP/1.1", HOST, "$", TYPE, length, *lines, body=body)


def _cut_off(attempt: Attempt) -> Attempt:
    """Whether the server says no more than 400 to what it will not read to its end."""

    async def cut(stage: Stage) -> str:
        answer = await attempt(stage)
        return "cut off" if answer in ("400", "closed") else answer

    return cut


def _smuggled(*lines: str, body: bytes) -> Attempt:
    """Everything that is answered to a body which some would take for two requests."""

    async def attempt(stage: Stage) -> str:
        head = ["POST /graphql HTTP/1.1", HOST, f"Authorization: Bearer {stage.token()}", TYPE]
        async with connected(stage.server.port) as line:
            await line.send("\r\n".join([*head, *lines, "", ""]).encode() + body)
            first = await line.told()
            second = await line.told()
            return f"{first}, {second}"

    return attempt


def _from(origin: Headers, method: str, target: str, body: bytes = b"") -> Attempt:
    """What a page of another site gets, and whether it may read it."""

    async def attempt(stage: Stage) -> str:
        given = {"Authorization": f"Bearer {stage.token()}", **origin}
        async with connected(stage.server.port) as line:
            await line.send(request(method, target, given, body))
            reply = await line.reply()
            if reply is None:
                return "closed"
            allowed = any(name.startswith("access-control-allow") for name in reply.headers)
            return f"{reply}{' and may read it' if allowed else ''}"

    return attempt


async def _pipelined(stage: Stage) -> str:
    """So many requests at once, none of whose answers is waited for."""
    headers = {"Authorization": f"Bearer {stage.token()}", **JSON}
    async with connected(stage.server.port) as line:
        await line.send(request("POST", "/graphql", headers, ASKED) * 100)
        return ", ".join({await line.told() for _ in range(100)})


async def _left_before_the_answer(stage: Stage) -> str:
    headers = {"Authorization": f"Bearer {stage.token()}", **JSON}
    for _ in range(20):
        async with connected(stage.server.port) as line:
            await line.send(request("POST", "/graphql", headers, ASKED))
    return "nothing"


def _path(target: str) -> Attempt:
    return sending(request("GET", target, {}))


CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, ASKED)
MUTATION = 'mutation{recordCharge(input:{account:"A",idempotencyKey:"k",amount:1}){__typename}}'

SMUGGLING: dict[str, tuple[Attempt, str]] = {
    "a length and chunks": (
        _smuggled(f"Content-Length: {len(CHUNKS)}", CHUNKED, body=CHUNKS),
        "400, closed"),
    "chunks that end before the length": (
        _smuggled("Content-Length: 50", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED.encode()),
        "400, closed"),
    "two lengths": (
        _smuggled(f"Content-Length: {SIZE}", "Content-Length: 3", body=ASKED), "400, closed"),
    "two lengths in one line": (_smuggled(f"Content-Length: {SIZE}, 3", body=ASKED), "400, closed"),
    "a length with a sign": (_smuggled(f"Content-Length: +{SIZE}", body=ASKED), "400, closed"),
    "a length below nothing": (_smuggled("Content-Length: -1", body=ASKED), "400, closed"),
    "a length in hexadecimal": (_smuggled("Content-Length: 0x1f", body=ASKED), "400, closed"),
    "a length of 5,000 digits": (
        _smuggled(f"Content-Length: {'9' * 5_000}", body=ASKED), "400, closed"),
    "chunks by another name": (
        _smuggled("Transfer-Encoding: xchunked", body=CHUNKS), "400, closed"),
    "chunks, and identity": (
        _smuggled("Transfer-Encoding: chunked, identity", body=CHUNKS), "400, closed"),
    "chunks behind a tab": (_smuggled("Transfer-Encoding:\tchunked", f"Content-Length: {SIZE}",
                                      body=CHUNKS), "400, closed"),
    "a space before the colon": (
        _smuggled("Content-Length : 5", CHUNKED, body=CHUNKS), "400, closed"),
    "a folded header": (
        _smuggled("X-A: b\r\n Content-Length: 9", f"Content-Length: {SIZE}", "Connection: close",
                  body=ASKED), "400, closed"),
    "a line that ends in LF": (
        _smuggled(f"X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: {SIZE}", body=CHUNKS),
        "400, closed"),
    "a chunk of a size with a sign": (
        _smuggled(CHUNKED, body=b"+1f\r\n" + ASKED + b"\r\n0\r\n\r\n"), "400, closed"),
    "a chunk of a size beyond any": (
        _smuggled(CHUNKED, body=b"f" * 40 + b"\r\n" + ASKED), "400, closed"),
}  # fmt: skip

WRONG: dict[str, tuple[Attempt, str]] = {
    "CR in a value": (_posted("X-A: a\rb"), REFUSED),
    "NUL in a value": (_posted("X-A: a\0b"), REFUSED),
    "NUL in a name": (_posted("X-\0A: b"), REFUSED),
    "a header without a colon": (_posted("garbage"), REFUSED),
    "a header of no name": (_posted(": a"), REFUSED),
    "two hosts": (_posted("Host: evil.example"), UNCLEAR),
    "no host": (_lines("GET /healthz HTTP/1.1"), UNCLEAR),
    "a header of 20 MB": (_cut_off(_posted("X-A: " + "a" * 20_000_000)), "cut off"),
    "1,500 headers": (_posted(*(f"X-{n}: {n}" for n in range(MANY))), "200"),
    "20,000 headers": (
        _cut_off(_posted(*(f"X-{n}: {n}" for n in range(20_000)))), "cut off"),
    "an address of 1 MB": (_cut_off(_path("/graphql?query=" + "a" * 1_000_000)), "cut off"),
    "an address of 30,000 letters": (_path("/" + "a" * 30_000), "404"),
    "a version of the future": (_lines("GET / HTTP/9.9", HOST), REFUSED),
    "no version": (_lines("GET /"), UNCLEAR),
    "a preface of HTTP/2": (
        sending(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED),
    "an upgrade to HTTP/2": (
        _lines("GET /healthz HTTP/1.1", HOST, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings",
               "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), "200"),
    "garbage": (sending(bytes(range(256)) * 4 + b"\r\n\r\n"), REFUSED),
    "a TLS greeting": (sending(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), REFUSED),
    "TRACE": (_lines("TRACE /graphql HTTP/1.1", HOST, "$"), "405 BAD_USER_INPUT"),
    "CONNECT": (_lines("CONNECT evil.example:443 HTTP/1.1", HOST), REFUSED),
    "DELETE": (_lines("DELETE /graphql HTTP/1.1", HOST, "$"), "405 BAD_USER_INPUT"),
    "a method of our own": (_lines("FROBNICATE /graphql HTTP/1.1", HOST, "$"), REFUSED),
    "an absolute address of elsewhere": (_lines("GET http://evil.example/x HTTP/1.1", HOST), "404"),
    "an asterisk": (_lines("OPTIONS * HTTP/1.1", HOST), "404"),
    "a path that leaves the assets": (_path("/assets/../../app/settings.py"), "404"),
    "one that leaves them in disguise": (_path("/assets/..%2f..%2f..%2fetc%2fpasswd"), "404"),
    "one that leaves them in Windows": (_path("/assets/..%5c..%5capp%5casgi.py"), "404"),
    "one that leaves them with NUL": (_path("/assets/%00/etc/passwd"), "404"),
    "one that begins at the root": (_path("/assets//etc/passwd"), "404"),
    "a path of invalid UTF-8": (_path("/assets/%ff%fe"), "404"),
    "an address that redirects elsewhere": (_path("//evil.example/%2e%2e/"), "404"),
    "a range of a million parts": (
        _lines("GET /usage-feed.js HTTP/1.1", HOST, "Range: bytes=" + "0-1," * 7_000), "200"),
    "100 requests in a row, unread": (_pipelined, "200"),
    "20 callers that leave": (_left_before_the_answer, "nothing"),
}  # fmt: skip

_PAGE = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
_ASKS = {"Origin": EVIL, "Access-Control-Request-Method": "POST",
         "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
_FORMS: Sequence[str] = (FORM, "multipart/form-data; boundary=a", "text/plain", "")
CROSS_SITE = [
    *(
        Case(
            f"a form of another site, {kind or 'of no type'}",
            "415 BAD_USER_INPUT",
            _from({**_PAGE, "Content-Type": kind} if kind else _PAGE, "POST", "/graphql", ASKED),
        )
        for kind in _FORMS
    ),
    Case(
        "a mutation by GET",
        "405 BAD_USER_INPUT",
        _from({**_PAGE, **JSON}, "GET", f"/graphql?query={quote(MUTATION)}"),
    ),
    Case(
        "a question of another site's page",
        "200",
        _from({**_PAGE, **JSON}, "POST", "/graphql", ASKED),
    ),
    Case(
        "a preflight of another site",
        "405 BAD_USER_INPUT",
        _from(_ASKS, "OPTIONS", "/graphql"),
    ),
    Case("an export for another site", "400 BAD_USER_INPUT", _from(_PAGE, "GET", "/export?a=b")),
]

CASES = [
    *(Case(name, answer, attempt, times=10) for name, (attempt, answer) in SMUGGLING.items()),
    *(Case(name, answer, attempt, times=10) for name, (attempt, answer) in WRONG.items()),
    *CROSS_SITE,
]
