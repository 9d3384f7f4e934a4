"""The fault suite: `./dev faults` breaks everything around live delivery and counts what arrives.

Owns a stage of its own (database, broker, two servers, proxies between them), writers, subscribers
in processes of their own, and the faults. Nothing here runs in production.
"""
