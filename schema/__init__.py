"""The public contract: GraphQL types, their descriptions, and how they are asked for.

Owns names, nullability, ids, cursors and the wording of the schema. Owns no access rule
(`resolvers`) and no truth (`models`).
"""
