"""Wiring: ASGI app and lifespan, settings, command line, embedded database, replay of a trace.

Owns how the parts are put together and run; owns no rule of the ledger, the API or live delivery.
"""

from pathlib import Path

DEFAULT_DATA_DIR = Path(__file__).resolve().parent.parent / "data"
"""Where `run` keeps the embedded database and the demonstration unless told otherwise."""
