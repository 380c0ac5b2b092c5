"""The HTTP API, webhooks in and out, and the review pages."""
