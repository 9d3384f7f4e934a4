"""`python -m app`."""

import signal
import sys

from app.cli import main

signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that all is closed
main()
