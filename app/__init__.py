"""Wiring: ASGI app and lifespan, settings, command line, embedded database, replay of a trace.

Owns how the parts are put together and run; owns no rule of the ledger, the API or live delivery.
"""
