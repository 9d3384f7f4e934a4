"""`python -m app`."""

import signal

from app.cli import main

# As Ctrl-C, so that all is closed: what a handler raises itself may end in a library's callback.
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
signal.signal(signal.SIGTERM, lambda number, _: signal.raise_signal(signal.SIGINT))
main()
