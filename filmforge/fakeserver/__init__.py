"""A provider that exists for tests and trials: an HTTP queue that charges pretend money.

It keeps its jobs and charges in one SQLite file, so it can be killed and started again, and
it misbehaves on demand the way hosted providers do.
"""
