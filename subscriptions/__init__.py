"""Live delivery: the bell, which says that an account has news, and the follower, which reads the
news from the table.
"""
