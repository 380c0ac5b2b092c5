"""Temporal activities: thin classes with injected dependencies."""
