"""The pages of what was spent: of one film, and of all films in a month."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from filmforge.gateway.costs import check_month, csv_of
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.charts import Bars, Days, bars, days, shares_of
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.viewer import AnyMember, Producing
from filmforge.gateway.rendering import page
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.caps import ANY_MONTH, month_scope
from filmforge.ledger.costs import CostReport
from filmforge.ledger.database import now
from filmforge.ledger.films import FilmRecord

router = APIRouter(include_in_schema=False)


class Wanted(BaseModel):
    """The month of the page, the one that runs without it."""

    model_config = ConfigDict(extra="ignore")

    month: Annotated[str, StringConstraints(max_length=10)] = ""


@router.get("/films/{film_id}/costs")
async def show_film_costs(viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """What a film has cost, by shot, provider, model, kind and day."""
    values = await asyncio.to_thread(_of_film, gateway, film)
    return film_page("costs.html", viewer, film, "Costs", **values)


@router.get("/films/{film_id}/costs.csv")
async def download_film_costs(_viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """Every charge of a film, for a spreadsheet."""
    return await csv_of(gateway.ledger.costs.lines(film.film_id), film.film_id)


@router.get("/costs")
async def show_month(
    viewer: AnyMember, gateway: Parts, wanted: Annotated[Wanted, Query()]
) -> Response:
    """What all films cost in a month, and the caps."""
    month = wanted.month or f"{now():%Y-%m}"
    check_month(month)
    values = await asyncio.to_thread(_of_month, gateway, month)
    return page("month.html", live=True, viewer=viewer, month=month, **values)


@router.get("/costs.csv")
async def download_month(
    _viewer: AnyMember, gateway: Parts, wanted: Annotated[Wanted, Query()]
) -> Response:
    """Every charge of a month, for a spreadsheet."""
    month = wanted.month or f"{now():%Y-%m}"
    check_month(month)
    return await csv_of(gateway.ledger.costs.lines(month=month), month)


def _of_film(gateway: Gateway, film: FilmRecord) -> dict[str, Any]:
    report, budget = gateway.ledger.costs.report(film.film_id), gateway.ledger.budget(film.film_id)
    shots = {line.name.removeprefix(f"{film.film_id}/"): line.spent for line in report.by["shot"]}
    return {
        "budget": budget,
        "report": report,
        "by_day": _days("Spent by day, with the limit of the film", report, budget.limit),
        "by_shot": bars("Spent by shot", shots),
        "by_provider": _bars("Spent by provider", report, "provider"),
        "by_kind": _bars("Spent by kind", report, "kind"),
    }


def _of_month(gateway: Gateway, month: str) -> dict[str, Any]:
    report = gateway.ledger.costs.report(None, month)
    caps = {cap.scope: cap for cap in gateway.ledger.caps()}
    scope = f"month:{month}"
    mine = caps.get(scope) or (caps.get(ANY_MONTH) if scope == month_scope(now()) else None)
    shown = [cap for name, cap in sorted(caps.items()) if name.startswith("project:")]
    return {
        "report": report,
        "cap": mine,
        "caps": [
            (cap, shares_of([cap.spent, cap.reserved], cap.limit))
            for cap in ([mine] if mine else []) + shown
        ],
        "months": gateway.ledger.costs.months(),
        "by_day": _days(
            "Spent by day, with the cap of the month", report, mine.limit if mine else None
        ),
        "by_project": _bars("Spent by project", report, "project"),
        "by_film": _bars("Spent by film", report, "film"),
        "by_provider": _bars("Spent by provider", report, "provider"),
    }


def _days(title: str, report: CostReport, limit: Decimal | None) -> Days | None:
    spent = {date.fromisoformat(line.name): line.spent for line in report.by["day"]}
    return days(title, spent, limit)


def _bars(title: str, report: CostReport, group: str) -> Bars | None:
    return bars(title, {line.name: line.spent for line in report.by[group]})
