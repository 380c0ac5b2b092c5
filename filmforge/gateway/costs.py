"""Costs: what was spent and what reuse saved, by project, film, shot, provider, model and month."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from filmforge.errors import BadInput
from filmforge.fields import Frozen, Identifier
from filmforge.gateway.auth import caller
from filmforge.gateway.charges import as_csv
from filmforge.gateway.estimate import CostToFinish, estimate_of_rest
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.projects import report_of
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.costs import ChargeLine, CostReport, month_bounds
from filmforge.ledger.films import FilmRecord
from filmforge.money import Money

router = APIRouter(prefix="/v1", tags=["costs"], dependencies=[Depends(caller)])


class Period(BaseModel):
    """The month of a report, in UTC: 2026-11, without it everything; CSV gives every charge."""

    model_config = ConfigDict(extra="forbid")

    month: str | None = None
    format: Literal["json", "csv"] = "json"


class Selection(Period):
    """The month and the project of a report."""

    project: Identifier | None = None


class CostLineView(Frozen):
    """Spent and saved of one group."""

    name: str
    spent_usd: Money
    saved_usd: Money
    charges: int
    reuses: int


class CostView(Frozen):
    """Spent and saved in total and by each grouping.

    One film's costs tell what it takes to finish it as well, or why that cannot be told.
    """

    film_id: str | None
    project: str | None
    month: str | None
    spent_usd: Money
    saved_usd: Money
    cost_to_finish_usd: CostToFinish | None = None
    cost_to_finish_unknown: str | None = None
    by: dict[str, tuple[CostLineView, ...]]


@router.get("/costs", response_model=CostView)
async def costs(request: Request, wanted: Annotated[Selection, Query()]) -> Response:
    """What all films cost, or those of one project, in one month or altogether."""
    gateway = gateway_of(request)
    check_month(wanted.month)
    if wanted.format == "csv":
        lines = gateway.ledger.costs.lines(project=wanted.project, month=wanted.month)
        return await csv_of(lines, wanted.project or "all")

    def read() -> CostView:
        report = report_of(gateway.ledger, wanted.project, wanted.month)
        return _view(report, project=wanted.project, month=wanted.month)

    return json_response(await asyncio.to_thread(read))


@router.get("/films/{film_id}/costs", response_model=CostView)
async def film_costs(
    request: Request, film: KnownFilm, period: Annotated[Period, Query()]
) -> Response:
    """What one film cost, and what it still takes to finish it."""
    gateway = gateway_of(request)
    check_month(period.month)
    if period.format == "csv":
        lines = gateway.ledger.costs.lines(film.film_id, month=period.month)
        return await csv_of(lines, film.film_id)
    return json_response(await asyncio.to_thread(_of_film, gateway, film, period.month))


def _of_film(gateway: Gateway, film: FilmRecord, month: str | None) -> CostView:
    view = _view(
        gateway.ledger.costs.report(film.film_id, month), film_id=film.film_id, month=month
    )
    try:
        rest = estimate_of_rest(gateway, film)
    except BadInput as error:  # a model that was taken away must not hide what was paid
        return view.model_copy(update={"cost_to_finish_unknown": str(error)})
    return view.model_copy(update={"cost_to_finish_usd": rest.cost_to_finish_usd})


async def csv_of(lines: Iterator[ChargeLine], name: str) -> Response:
    """Charges as a file for a spreadsheet."""
    # The first one is read before anything is answered: a database that is away is a problem.
    first = await asyncio.to_thread(next, lines, None)
    rows = chain([first] if first else [], lines)
    headers = {
        "Content-Disposition": f'attachment; filename="costs-{name}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        as_csv(rows), headers=headers, media_type="text/csv; charset=utf-8; header=present"
    )


def check_month(month: str | None) -> None:
    """Make sure that a month is one. Raises BadInput."""
    try:
        if month is not None:
            month_bounds(month)
    except ValueError:
        remedy = "Write a year and a month, such as 2026-11."
        raise BadInput("month", "is not a month", remedy) from None


def _view(
    report: CostReport,
    *,
    film_id: str | None = None,
    project: str | None = None,
    month: str | None = None,
) -> CostView:
    return CostView(
        film_id=film_id,
        project=project,
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
