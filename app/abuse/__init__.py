"""The abuse suite: `./dev abuse` does to a server what strangers, cheats and broken clients do.

Owns a stage of its own (database, one server as in production, one well-behaved customer), the
cases and what each must be answered with. Nothing here runs in production.
"""
