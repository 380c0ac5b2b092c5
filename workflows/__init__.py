"""Temporal workflows: the durable film and its shots."""
