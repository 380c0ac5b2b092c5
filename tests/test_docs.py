"""The docs say what is so; `python -m tests.test_docs` writes their tables from the catalogue."""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from filmforge.brief import Brief, read_film
from filmforge.cast import Guides
from filmforge.cli.app import app
from filmforge.direction import request_for
from filmforge.domain import Direction, Providers, Shot
from filmforge.money import format_money
from filmforge.providers.base import Provider
from filmforge.providers.catalogue import Model, Price, Unit
from filmforge.providers.registry import Registry, build_registry
from filmforge.settings import Settings

ROOT = Path(__file__).parents[1]
PROVIDERS = ROOT / "docs" / "providers.md"
DOCS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
HOSTED = ("fal", "replicate", "openai", "elevenlabs", "runway", "modal")

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^```\w*\n.*?^```$|`[^`]+`", re.DOTALL | re.MULTILINE)
VARIABLE = re.compile(
    r"\b(?:FILMFORGE|FAL|REPLICATE|OPENAI|ELEVENLABS|RUNWAYML|MODAL)_[A-Z0-9_]*[A-Z0-9]\b"
)
COMMAND = re.compile(r"(?:^|[\s`$/])filmforge ((?:[a-z-]+ ?)[^`|#\n]*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")

UNITS = {
    Unit.ITEM: "each",
    Unit.SECOND: "a second",
    Unit.MEGAPIXEL: "a megapixel",
    Unit.GPU_SECOND: "a second of its GPU",
}
# A typical shot: 200 characters of prompt, 100 of dialogue, 5 s, in the 1280x720 of a new film.
SHOT = {"enhanced_prompt": "p" * 200, "dialogue": "d" * 100, "duration": 5}


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Every hosted provider, with the catalogue alone."""
    return _registry()


def test_every_model_stands_in_the_docs_with_its_price(registry: Registry) -> None:
    """When this fails: .venv/bin/python -m tests.test_docs"""
    text = PROVIDERS.read_text("utf-8")
    assert {name for _, name, _ in BLOCK.findall(text)} == {"worst", *HOSTED}
    assert text == _written(text, registry)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_variable_in_the_docs_is_a_setting(path: Path) -> None:
    known = {
        field.validation_alias or f"FILMFORGE_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    assert set(VARIABLE.findall(path.read_text("utf-8"))) <= known


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_command_in_the_docs_exists_with_its_options(path: Path) -> None:
    told = [line for code in _code(path) for line in COMMAND.findall(code)]
    assert [line for line in told if not _exists(line)] == []


def test_the_docs_name_commands_at_all() -> None:
    assert _exists("caps set month 100.00 --shadow")
    assert not _exists("caps forget month")
    assert not _exists("costs --nonesuch")
    assert any(COMMAND.findall(code) for code in _code(ROOT / "docs" / "money.md"))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_relative_link_in_the_docs_leads_somewhere(path: Path) -> None:
    targets = [link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link]
    assert [target for target in targets if not _leads(path, target)] == []


def test_the_models_file_of_the_docs_can_be_used(tmp_path: Path) -> None:
    """Each of its models is quoted; together they show every field there is."""
    own = tmp_path / "models.toml"
    own.write_text("\n".join(_blocks(PROVIDERS, "toml")))
    entries: list[dict[str, Any]] = tomllib.loads(own.read_text())["model"]
    assert {*Model.model_fields, "provider"} == {name for entry in entries for name in entry}
    assert set(Price.model_fields) == {n for e in entries for p in e.get("prices", ()) for n in p}
    registry = _registry(models_file=own)
    for entry in entries:
        provider = registry.get(entry["provider"])
        model = provider.models()[entry["id"]]
        assert model.price.usd == Decimal(entry["price"]["usd"])
        assert model.makes == "effect" or _typical(provider, model) > 0


def test_the_films_of_the_docs_can_be_submitted() -> None:
    films = [json.loads(block) for path in DOCS for block in _blocks(path, "json")]
    assert films
    for film in films:
        read_film(film)


def _registry(models_file: Path | None = None) -> Registry:
    async def nothing(_digest: str, _path: Path) -> None:
        raise AssertionError("nothing is fetched")

    key = SecretStr("c2VjcmV0")
    keys = {
        name: key
        for name in Settings.model_fields
        if name.endswith(("_key", "_token", "_secret"))
        and name not in ("signing_key", "provenance_key")
    }
    given: dict[str, Any] = {**keys, "modal_token_id": key, "s3_bucket": "films", "s3_endpoint": ""}
    return build_registry(Settings(models_file=models_file, **given), nothing)


def _written(text: str, registry: Registry) -> str:
    """The text with its tables as the catalogue has them."""
    return BLOCK.sub(lambda found: found[1] + _table(found[2], registry) + found[3], text)


def _table(name: str, registry: Registry) -> str:
    rows = _worst(registry) if name == "worst" else _models(registry.get(name))
    head, *rest = [f"| {' | '.join(row)} |\n" for row in rows]
    return head + "|" + " --- |" * len(rows[0]) + "\n" + "".join(rest)


def _worst(registry: Registry) -> list[list[str]]:
    """The dearest of a typical shot's requests, by provider and by what they make."""
    rows = [["provider", "a frame", "a clip of 5 s", "a line of 100 characters"]]
    for name in HOSTED:
        provider = registry.get(name)
        dearest: dict[str, tuple[Decimal, str]] = {}
        for model in _of_films(provider):
            price = _typical(provider, model), f"`{model.id}`"
            dearest[model.kind] = max(dearest.get(model.kind, price), price)
        told = {
            kind: f"${format_money(price)}, {model}" for kind, (price, model) in dearest.items()
        }
        rows.append([name, *(told.get(kind, "") for kind in ("image", "video", "audio"))])
    return rows


def _models(provider: Provider) -> list[list[str]]:
    rows = [["model", "makes", "price", "a typical shot's", "takes", "read on"]]
    for model in provider.models().values():
        price = (
            f"${format_money(_typical(provider, model))}" if model in _of_films(provider) else ""
        )
        prices = "; ".join([_words(model.price), *map(_words, model.prices)])
        makes = model.makes or model.kind.value
        day = max(each.read_on for each in (model.price, *model.prices))
        rows.append([f"`{model.id}`", makes, prices, price, _takes(model), f"{day}"])
    return rows


def _of_films(provider: Provider) -> list[Model]:
    """The models that a film can name; it has no effects and no music."""
    return [model for model in provider.models().values() if model.makes in (None, "speech")]


def _typical(provider: Provider, model: Model) -> Decimal:
    ref = f"{provider.name}:{model.id}"
    guides = Guides(**dict.fromkeys(model.needs, "0" * 64))
    providers = Providers(**{model.kind.value: ref})
    shot = Shot(shot_id="shot", providers=providers, guides=guides, **SHOT)
    frame = "0" * 64 if model.kind == "video" else None
    request = request_for(Brief(), shot, Direction(), model.kind, model, frame)
    return provider.quote(request)


def _words(price: Price) -> str:
    if price.unit is Unit.CHARACTER:
        told = f"${format_money(price.usd * 1000)} a thousand characters"
    else:
        told = f"${format_money(price.usd)} {UNITS[price.unit]}"
    when = ", ".join(f"{name} {json.dumps(value)}" for name, value in price.when.items())
    return f"{told} ({when})" if when else told


def _takes(model: Model) -> str:
    told = [f"{_lengths(model.durations_s)} s"] if model.durations_s else []
    if model.max_duration_s:
        told.append(f"{model.min_duration_s or Decimal(0):f} to {model.max_duration_s:f} s")
    told += [", ".join(model.ratios)] if model.ratios else []
    told += [f"{len(model.sizes)} sizes"] if model.sizes else []
    told += [f"sides to {model.max_side} px"] if model.max_side else []
    told += [f"{model.max_chars} characters"] if model.max_chars else []
    return "; ".join(told)


def _lengths(seconds: Sequence[Decimal]) -> str:
    first, last = min(seconds), max(seconds)
    if len(seconds) > 2 and len(seconds) == last - first + 1:
        return f"{first:f} to {last:f} whole"
    return ", ".join(f"{each:f}" for each in seconds)


def _code(path: Path) -> list[str]:
    return CODE.findall(path.read_text("utf-8"))


def _blocks(path: Path, language: str) -> Iterator[str]:
    found = FENCE.findall(path.read_text("utf-8"))
    return (body for told, body in found if told == language)


def _exists(line: str) -> bool:
    command: Any = typer.main.get_command(app)
    words = line.split()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    # What is left of a command with commands of its own is none of them.
    if hasattr(command, "commands") and words and not words[0].startswith("-"):
        return False
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def _leads(path: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    page = path.parent / name if name else path
    if not page.exists():
        return False
    return not heading or heading in map(
        _anchor, re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    )


def _anchor(heading: str) -> str:
    """What a heading is linked by on GitHub."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    PROVIDERS.write_text(_written(PROVIDERS.read_text("utf-8"), _registry()), "utf-8")
