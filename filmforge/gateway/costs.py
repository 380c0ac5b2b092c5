"""Costs: what was spent and what reuse saved, by film, shot, provider, model, kind and month."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from filmforge.domain import Frozen
from filmforge.errors import BadInput
from filmforge.gateway.auth import caller
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.costs import CostReport, month_bounds
from filmforge.money import Money

router = APIRouter(prefix="/v1", tags=["costs"], dependencies=[Depends(caller)])


class Period(BaseModel):
    """The month of a report, in UTC: 2026-11; without it everything."""

    model_config = ConfigDict(extra="forbid")

    month: str | None = None


class CostLineView(Frozen):
    """Spent and saved of one group."""

    name: str
    spent_usd: Money
    saved_usd: Money
    charges: int
    reuses: int


class CostView(Frozen):
    """Spent and saved in total and by each grouping."""

    film_id: str | None
    month: str | None
    spent_usd: Money
    saved_usd: Money
    by: dict[str, tuple[CostLineView, ...]]


@router.get("/costs", response_model=CostView)
async def costs(request: Request, period: Annotated[Period, Query()]) -> Response:
    """What all films cost, in one month or altogether."""
    return json_response(await _report(gateway_of(request), None, period.month))


@router.get("/films/{film_id}/costs", response_model=CostView)
async def film_costs(
    request: Request, film: KnownFilm, period: Annotated[Period, Query()]
) -> Response:
    """What one film cost."""
    return json_response(await _report(gateway_of(request), film.film_id, period.month))


async def _report(gateway: Gateway, film_id: str | None, month: str | None) -> CostView:
    if month is not None:
        _check_month(month)
    report = await asyncio.to_thread(gateway.ledger.costs.report, film_id, month)
    return _view(report, film_id, month)


def _check_month(month: str) -> None:
    try:
        month_bounds(month)
    except ValueError:
        remedy = "Write a year and a month, such as 2026-11."
        raise BadInput("month", "is not a month", remedy) from None


def _view(report: CostReport, film_id: str | None, month: str | None) -> CostView:
    return CostView(
        film_id=film_id,
        month=month,
        spent_usd=report.spent,
        saved_usd=report.saved,
        by={
            group: tuple(
                CostLineView(
                    name=line.name,
                    spent_usd=line.spent,
                    saved_usd=line.saved,
                    charges=line.charges,
                    reuses=line.reuses,
                )
                for line in lines
            )
            for group, lines in report.by.items()
        },
    )
