"""The pages of costs: tables and plots of what was spent, and the charges as a file."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from sqlalchemy import update

from filmforge.gateway.pages.charts import bars, days, round_ticks, shares_of
from filmforge.ledger.database import now
from filmforge.ledger.tables import charges
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, sign_in
from tests.pages.till import paid, priced

HTML = {"accept": "text/html"}
PAGE = "/films/attic/costs"


@pytest.fixture
def attic(house: House) -> House:
    priced(house, 4, project="noir")
    for number in range(1, 5):
        paid(house, f"shot_00{number}", str(number) * 64, f"0.0{number}")
    return house


def moved(house: House, shot_id: str, at: datetime) -> None:
    """Charge a shot at another time."""
    with house.ledger.db.write() as tx:
        tx.execute(update(charges).where(charges.c.shot_id == shot_id).values(at=at))


def plots(html: str) -> list[ElementTree.Element]:
    """Every plot of a page, read as XML."""
    found = html.split('<figure class="chart">')[1:]
    return [ElementTree.fromstring(each.partition("</figure>")[0]) for each in found]


async def test_a_films_costs_are_plotted_and_told_by_shot_provider_kind_and_day(attic: House):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        answer = await client.get(PAGE, headers=HTML)
    assert answer.status_code == 200
    html = answer.text
    assert "style=" not in html
    titles = [plot.findtext("title") for plot in plots(html)]
    assert titles == [
        "Spent by day, with the limit of the film",
        "Spent by shot",
        "Spent by provider",
        "Spent by kind",
    ]
    by_shot = plots(html)[1]
    assert by_shot.findtext("desc", "").startswith("shot_004 0.04 USD, shot_003 0.03 USD")
    assert "fake:image-1" in html
    assert f"{now():%Y-%m-%d}" in html


async def test_a_film_on_which_nothing_was_spent_says_so(house: House):
    priced(house, 1)
    async with house.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
    assert "Nothing has been spent on this film" in html
    assert plots(html) == []


async def test_the_charges_come_as_a_file_that_computes_nothing(attic: House):
    with attic.ledger.db.write() as tx:
        tx.execute(update(charges).where(charges.c.shot_id == "shot_001").values(model="=1+1"))
    async with attic.client() as client:
        await sign_in(client, KEY)
        answer = await client.get(f"{PAGE}.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="costs-attic.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["usd"] for row in rows] == ["0.01", "0.02", "0.03", "0.04"]
    assert rows[0]["model"] == "'=1+1"


async def test_guests_see_no_costs(attic: House):
    async with attic.client() as client:
        await come_in(client, attic.share(Given.DECIDE))
        for path in (PAGE, f"{PAGE}.csv"):
            assert (await client.get(path)).status_code == 403
        for path in ("/costs", "/costs.csv"):
            assert (await client.get(path)).status_code == 401


async def test_a_month_is_told_with_its_caps_films_and_projects(attic: House):
    attic.ledger.set_cap("month:*", Decimal("0.50"), False, "Ada")
    attic.ledger.set_cap("project:noir", Decimal(3), True, "Ada")
    async with attic.client() as client:
        await sign_in(client, attic.member("Vic", Role.VIEWER))
        html = (await client.get("/costs", headers=HTML)).text
    assert f"Costs of {now():%Y-%m}" in html
    assert "0.10 of 0.50 USD" in html
    assert "0.10 of 3.00 USD" in html
    assert "counts, refuses nothing" in html
    titles = [plot.findtext("title") for plot in plots(html)]
    assert titles[1:] == ["Spent by film", "Spent by project", "Spent by provider"]


async def test_another_month_is_picked_and_counts_its_own_charges(attic: House):
    moved(attic, "shot_004", datetime(2026, 9, 3, tzinfo=UTC))
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get("/costs", params={"month": "2026-09"})).text
        assert "<option selected>2026-09</option>" in html
        assert "<option>2026-10</option>" in html
        assert "0.04<small>USD, no cap" in html
        rows = (await client.get("/costs.csv", params={"month": "2026-09"})).text.splitlines()
        assert len(rows) == 2
        assert "Nothing was spent" in (await client.get("/costs", params={"month": "2026-08"})).text
        assert (await client.get("/costs", params={"month": "June"})).status_code == 422


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        ("0.04", ["0", "0.01", "0.02", "0.03", "0.04"]),
        ("9", ["0", "5", "10"]),
        ("13.37", ["0", "5", "10", "15"]),
        ("0.000001", ["0", "0.0000005", "0.000001"]),
        ("1000000", ["0", "500000", "1000000"]),
    ],
)
def test_an_axis_reads_in_round_figures(top: str, ticks: list[str]):
    assert round_ticks(Decimal(top)) == [Decimal(tick) for tick in ticks]


def test_the_longest_bars_come_first_and_the_rest_is_one_bar():
    chart = bars("Spent by shot", {f"s{n}": Decimal(n) for n in range(40)})
    assert chart is not None
    assert [row.label for row in chart.rows][:2] == ["s39", "s38"]
    assert chart.rows[-1].label == "27 others"
    assert chart.rows[-1].value == "378.00 USD"
    assert bars("Spent by shot", {"s1": Decimal(0)}) is None


def test_a_long_name_is_cut_in_the_plot_and_whole_in_its_title():
    chart = bars("x", {"replicate:black-forest-labs/flux-1.1-pro-ultra": Decimal(1)})
    assert chart is not None
    assert chart.rows[0].label == "replicate:black-forest-labs/f…"
    assert chart.rows[0].name.endswith("ultra")


def test_days_without_spend_keep_their_place_and_the_line_ends_at_the_sum():
    first = date(2026, 11, 1)
    spent = {first: Decimal(1), first + timedelta(days=3): Decimal(2)}
    chart = days("x", spent, Decimal(4))
    assert chart is not None
    assert [column.height > 0 for column in chart.columns] == [True, False, False, True]
    assert chart.line.endswith(" 100.00,25.00")
    assert chart.limit_y == 22
    assert chart.limit_name == "limit 4.00 USD"


def test_a_limit_far_above_is_told_and_not_drawn():
    chart = days("x", {date(2026, 11, 1): Decimal(1)}, Decimal(50))
    assert chart is not None
    assert chart.limit_y is None
    assert "the limit is 50.00 USD" in chart.description


def test_many_days_share_columns():
    first = date(2026, 1, 1)
    spent = {first + timedelta(days=n): Decimal(1) for n in range(365)}
    chart = days("x", spent, None)
    assert chart is not None
    assert len(chart.columns) <= 62
    assert chart.columns[0].name == "2026-01-01 to 2026-01-06: 6.00 USD"


def test_a_bar_of_parts_is_cut_off_at_its_end():
    assert shares_of([Decimal(3), Decimal(3)], Decimal(4)) == [
        ("0.00%", "75.00%"),
        ("75.00%", "25.00%"),
    ]
    assert shares_of([Decimal(0), Decimal(0)], Decimal(0)) == [("0.00%", "0.00%")] * 2
