"""What is true: the ledger's tables, its one writer and its readers.

The only package that talks to PostgreSQL. Knows nothing of GraphQL, HTTP or who may ask.
"""
