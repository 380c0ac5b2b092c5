"""Marks: the named points of the paid path, in the order in which they are passed."""

import structlog

log = structlog.get_logger()


class Marks:
    """Sees the points go by; a subclass may do more than note them."""

    def reach(self, point: str, key: str) -> None:
        """The work on a request has come to this point."""
        log.debug("reached", point=point, request_key=key)
