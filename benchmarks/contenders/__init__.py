"""The servers that benchmarks compare, and how each is started.

Owns the list. `floor`, `json_agg`, `strawberry_*` and `bare_writes` are modules here; what runs on
Node stands in `benchmarks/contenders_node`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from app.credentials import ACCOUNT_CLAIM, AUDIENCE, ISSUER
from benchmarks.stage import Contender, Stage

NODE_FOLDER = Path(__file__).resolve().parent.parent / "contenders_node"
PLAIN_TABLES = Path(__file__).with_name("plain.sql")


def ours(stage: Stage) -> Contender:
    """This server as shipped: token checks, limits and metrics on, request rates off."""
    settings = {
        "DATABASE_URL": stage.dsn,
        "JWT_KEYS_FILE": str(stage.credentials.jwks_file),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_ACCOUNT_CLAIM": ACCOUNT_CLAIM,
        "CUSTOMER_REQUESTS_PER_SECOND": "0",
        "SERVICE_REQUESTS_PER_SECOND": "0",
    }
    return Contender(
        "ours",
        (sys.executable, "-P", "-m", "app", "serve", "--port", "0"),
        {f"USAGE_FEED_{name}": value for name, value in settings.items()},
    )


def in_python(name: str, stage: Stage) -> Contender:
    """A contender that is a module here."""
    module = f"benchmarks.contenders.{name.replace(' ', '_')}"
    return Contender(name, (sys.executable, "-P", "-m", module), _token_rules(stage))


def in_node(name: str, stage: Stage, **environment: str) -> Contender:
    """A contender that runs on Node; of its name, the first word is its script's."""
    script = NODE_FOLDER / f"{name.partition(' ')[0]}.mjs"
    return Contender(name, ("node", str(script)), _token_rules(stage) | environment)


def _token_rules(stage: Stage) -> dict[str, str]:
    return {
        "JWKS_FILE": str(stage.credentials.jwks_file),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_CLAIM": ACCOUNT_CLAIM,
    }


def node_is_here() -> bool:
    """Whether Node and the packages of its contenders are installed."""
    return shutil.which("node") is not None and (NODE_FOLDER / "node_modules").is_dir()
