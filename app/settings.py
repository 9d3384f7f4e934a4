"""Settings: everything an operator can choose, read once from `USAGE_FEED_*` and passed down.

Owns the names, types, bounds and meaning of settings, and the page that documents them: what
`python -m app.settings` prints is docs/settings.md. Nothing else reads the environment.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal, cast, get_args
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "USAGE_FEED_"

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """A setting is unknown or wrong; the message names each one and says what to do."""


def _with_scheme(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        parts = urlsplit(url)
        is_named = bool(parts.hostname or parts.query) or url == "memory://"
        if parts.scheme not in schemes or not is_named:
            raise ValueError(f"must be an address such as {schemes[0]}://host/name")
        return url

    return AfterValidator(check)


def _check_keys_url(url: str) -> str:
    parts = urlsplit(url)
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    schemes = ("https", "http") if is_local else ("https",)
    if not parts.hostname or parts.scheme not in schemes:
        raise ValueError("must be an address such as https://issuer/.well-known/jwks.json")
    return url


KeysUrl = Annotated[str, AfterValidator(_check_keys_url)]
DatabaseUrl = Annotated[str, _with_scheme("postgresql", "postgres")]
BrokerUrl = Annotated[str, _with_scheme("redis", "rediss", "postgresql", "postgres", "memory")]


class Settings(BaseSettings):
    """What an operator can choose. `USAGE_FEED_` and a field's name in capitals is its variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: DatabaseUrl | None = Field(
        None,
        description="PostgreSQL 15 or later, as `postgresql://user:password@host/name`. "
        "Needed by `serve`; without it `./dev run` starts an embedded PostgreSQL.",
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="Connections to the database, per process."
    )
    require_durable_database: bool = Field(
        True,
        description="Refuse to start against a database whose `fsync`, `full_page_writes` or "
        "`synchronous_commit` is off: it could lose what was acknowledged.",
    )
    broker_url: BrokerUrl | None = Field(
        None,
        description="What tells other processes of new lines: `redis://host/0`, or a direct "
        "`postgresql://` address where the database's own goes through a pooler, or `memory://` "
        "for one process that serves alone. By default LISTEN and NOTIFY of the database.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that serve behind the port. More than one are supervised: one that "
        "ends is started again.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins of other sites whose pages may call the API, separated by commas, "
        "such as `https://app.example.com`. The server's own is always allowed.",
    )
    jwt_keys_file: Path | None = Field(
        None,
        description="JWKS file with the public keys of customers' tokens. "
        "Without it and without a URL no customer's token is accepted.",
    )
    jwks_url: KeysUrl | None = Field(
        None,
        description="Address where the issuer publishes these keys, instead of a file: `https`, "
        "or `http` on this machine. Fetched at start, every 5 minutes, and for an unknown `kid`.",
    )
    jwt_issuer: str | None = Field(
        None, description="The `iss` a customer's token must carry. By default any."
    )
    jwt_audience: str | None = Field(
        None, description="The `aud` a customer's token must carry. By default none."
    )
    jwt_account_claim: str = Field(
        "account",
        min_length=1,
        description="The claim of a customer's token with the account's key.",
    )
    graphiql: bool = Field(
        False,
        description="Answer a browser's GET of `/graphql` with GraphiQL. On under `./dev run`.",
    )
    introspection: bool = Field(
        False, description="Answer introspection queries. On under `./dev run`."
    )
    trusted_documents: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Manifests of documents that may be asked for by their id, as files separated "
        "by commas: JSON objects of documents by id, or Apollo's. Our own page's are always known.",
    )
    trusted_documents_only: bool = Field(
        False, description="Answer no other documents than those of the manifests and our page's."
    )
    customer_requests_per_second: float = Field(
        50.0,
        ge=0,
        le=1_000_000,
        description="Requests, over HTTP and sockets, of one account's customers, per process, on "
        "the average; what was not asked for 5 seconds may be asked at once. 0: no limit.",
    )
    service_requests_per_second: float = Field(
        2_000.0,
        ge=0,
        le=1_000_000,
        description="The same of one service, by its key's name. A batch is one request.",
    )
    max_concurrent_requests: int = Field(
        1_000,
        ge=1,
        le=1_000_000,
        description="Requests in execution, per process; more are turned away with 503.",
    )
    open_metrics: bool = Field(
        False,
        description="Answer `/metrics` without a credential, where the network keeps strangers "
        "away from it. Otherwise it needs a service's key with the scope `admin`.",
    )
    request_timeout_seconds: float = Field(
        30.0, ge=0.05, le=600, description="How long the answer to a request may take."
    )
    max_body_bytes: int = Field(
        1_048_576,
        ge=1_024,
        le=16_777_216,
        description="Largest request body of a service, in bytes; a batch of 1,000 inputs is "
        "about 300,000. A customer's is 65,536 at most.",
    )
    sweep_interval_seconds: float = Field(
        1.0, ge=0.05, le=3_600, description="Pause between two looks for jobs past their deadline."
    )
    shutdown_grace_seconds: float = Field(
        10.0, ge=0, le=600, description="How long a stop waits for requests in flight."
    )
    log_level: LogLevel = Field("info", description="The least severe event that is logged.")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, given: object) -> object:
        if isinstance(given, str):
            return tuple(
                origin.strip().rstrip("/") for origin in given.split(",") if origin.strip()
            )
        return given

    @field_validator("trusted_documents", mode="before")
    @classmethod
    def _split_paths(cls, given: object) -> object:
        if isinstance(given, str):
            return tuple(path.strip() for path in given.split(",") if path.strip())
        return given

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin!r} is no origin such as https://app.example.com")
        return origins

    @field_validator("jwt_keys_file")
    @classmethod
    def _check_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("names no readable file")
        return path

    @field_validator("jwks_url")
    @classmethod
    def _check_one_source(cls, url: str | None, given: ValidationInfo) -> str | None:
        if url is not None and given.data.get("jwt_keys_file") is not None:
            raise ValueError(f"keys come from it or from {PREFIX}JWT_KEYS_FILE, not from both")
        return url


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises: SettingsError, naming every unknown variable and every wrong value at once.
    """
    problems = [_unknown(name) for name in sorted(os.environ) if _is_unknown(name)]
    settings = None
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] - the fields come from the environment
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(problem["loc"][0])
            sentence = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            problems.append(
                f"{PREFIX}{field.upper()} is wrong: {sentence}. "
                f"It means: {Settings.model_fields[field].description}"
            )
    if settings is None or problems:
        raise SettingsError("\n".join(problems))
    return settings


def _is_unknown(variable: str) -> bool:
    name = variable.upper()
    return name.startswith(PREFIX) and name[len(PREFIX) :].lower() not in Settings.model_fields


def _unknown(variable: str) -> str:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    near = difflib.get_close_matches(variable.upper(), known, n=1)
    advice = f"Did you mean {near[0]}?" if near else "Unset it; docs/settings.md lists all."
    return f"{variable} is no setting. {advice}"


def settings_page() -> str:
    """The text of docs/settings.md."""
    rows = [
        f"| `{PREFIX}{name.upper()}` "
        f"| {_type_of(field)} | {_default_of(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every setting is an environment variable, read once at start. A variable with this",
            "prefix that is not listed, or a wrong value, is an error at start that names it.",
            "An empty value counts as absent.",
            "",
            "| variable | type | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _type_of(field: FieldInfo) -> str:
    annotation = cast("object", field.annotation)
    if annotation == LogLevel:
        return ", ".join(get_args(LogLevel))
    if annotation is bool:
        return "true or false"
    if annotation is not int and annotation is not float:
        return "text"
    least = next(bound.ge for bound in field.metadata if isinstance(bound, Ge))
    most = next(bound.le for bound in field.metadata if isinstance(bound, Le))
    return f"{'whole number' if annotation is int else 'number'}, {least} to {most}"


def _default_of(field: FieldInfo) -> str:
    default = cast("object", field.default)
    if default is None or default == ():
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    import sys

    sys.stdout.write(settings_page())
