"""Metrics: requests as they are answered, and films and money as the ledger has them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import func, select

from filmforge.domain import Execution
from filmforge.ledger import Ledger
from filmforge.ledger.tables import budgets, films, gates

_SUMS = ("limit", "reserved", "spent", "saved")


class Metrics:
    """The figures of one gateway, apart from those of any other in the same process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "filmforge_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "filmforge_http_request_seconds",
            "Seconds until the answer began.",
            ("route",),
            registry=self._registry,
        )
        self._films = Gauge(
            "filmforge_films", "Films by execution.", ("execution",), registry=self._registry
        )
        self._money = Gauge(
            "filmforge_budget_micros",
            "Micro-dollars over all films.",
            ("figure",),
            registry=self._registry,
        )
        self._gates = Gauge(
            "filmforge_open_gates", "Frames that wait for a person.", registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the template, so that the number of series is bounded."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(route).observe(seconds)

    def exposition(self, ledger: Ledger) -> tuple[bytes, str]:
        """Every figure in the text format, with its content type; reads the database."""
        columns = [func.coalesce(func.sum(budgets.c[f"{name}_micros"]), 0) for name in _SUMS]
        per_execution = select(films.c.execution, func.count()).group_by(films.c.execution)
        waiting = select(func.count()).where(gates.c.state == "open")
        with ledger.db.read() as tx:
            sums = tx.execute(select(*columns).where(budgets.c.scope.startswith("film:"))).one()
            counts = {row[0]: row[1] for row in tx.execute(per_execution)}
            self._gates.set(tx.execute(waiting).scalar_one())
        for name, micros in zip(_SUMS, sums, strict=True):
            self._money.labels(name).set(int(micros))
        for execution in Execution:
            self._films.labels(execution.value).set(counts.get(execution.value, 0))
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
