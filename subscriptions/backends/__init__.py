"""Where the bell's messages come from: PostgreSQL, Redis, or this process alone, each as a
broadcaster backend.
"""
