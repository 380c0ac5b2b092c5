"""Callbacks: a webhook is heard once."""

from datetime import timedelta

from sqlalchemy import update

from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.tables import callbacks
from tests.ledger.conftest import at_once, request

KEY = request().key


def test_of_ten_deliveries_of_one_webhook_at_once_one_is_the_first(ledger: Ledger) -> None:
    first = at_once(10, lambda _: ledger.callbacks.first_time("fake", "wh-1", KEY))
    assert sum(first) == 1
    assert not ledger.callbacks.first_time("fake", "wh-1", "f" * 64)


def test_another_provider_may_use_the_same_id(ledger: Ledger) -> None:
    assert ledger.callbacks.first_time("fake", "wh-1", KEY)
    assert ledger.callbacks.first_time("preview", "wh-1", KEY)


def test_only_old_webhooks_are_forgotten(ledger: Ledger) -> None:
    for name in ("old", "new"):
        ledger.callbacks.first_time("fake", name, KEY)
    with ledger.db.write() as tx:
        aged = update(callbacks).where(callbacks.c.webhook_id == "old")
        tx.execute(aged.values(at=now() - timedelta(days=2)))
    assert ledger.callbacks.prune(86_400) == 1
    assert ledger.callbacks.first_time("fake", "old", KEY)
    assert not ledger.callbacks.first_time("fake", "new", KEY)
