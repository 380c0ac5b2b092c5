"""Servers with each provider's wire protocol that charge pretend money and misbehave on demand."""
