"""Who may ask, and how much: plain async functions, between the contract and what is true.

Owns access, the bounds of every question and the wording of its errors. Owns no GraphQL type and
no SQL.
"""
