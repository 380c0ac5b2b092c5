"""Reasons: every word that a shot or a film may stand still for has words for people."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import activities
import filmforge
import workflows
from filmforge.errors import FilmError
from filmforge.gateway.reasons import OF_FILMS, OF_SHOTS, of_shot


def _modules(package: object) -> Iterator[Path]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" in found.name:  # Alembic runs those
            continue
        module = importlib.import_module(found.name)
        if module.__file__:
            yield Path(module.__file__)


def _all_errors(base: type[FilmError] = FilmError) -> Iterator[type[FilmError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _all_errors(kind)


def _strings(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _said_in(path: Path) -> Iterator[str]:
    """The words that a module gives as a reason or as the code of a failure."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg in ("reason", "failure_code"):
            yield from _strings(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "reason":
                    yield from _strings(value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            told = node.args[:2] if node.func.attr in ("_block", "_tell") else []
            yield from (word for each in told for word in _strings(each) if " " not in word)


def test_every_error_has_words_for_people():
    for package in (filmforge, activities):
        list(_modules(package))
    elsewhere = ("filmforge.gateway", "filmforge.cli", "gpu_functions", "tests")
    told = [kind for kind in _all_errors() if not kind.__module__.startswith(elsewhere)]
    codes = {kind.code for kind in told}
    assert codes - {*OF_SHOTS} == set()


def test_every_reason_that_workflows_and_books_give_has_words_for_people():
    sources = list(_modules(workflows))
    sources += [path for path in _modules(activities) if path.name in ("books.py", "generate.py")]
    words = {word for path in sources for word in _said_in(path)} - {"", "; "}
    assert {"quality", "written_off", "timed_out", "undelivered", "assembly_failed"} <= words
    assert words - {*OF_SHOTS, *OF_FILMS} == set()


def test_every_code_that_providers_report_has_words_for_people():
    folder = Path(filmforge.__path__[0]) / "providers"
    codes = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id == "JobReport":
                given = [word for word in node.keywords if word.arg == "code"]
                codes |= {word for each in given for word in _strings(each.value)} - {"code"}
    assert {"content_refused", "provider_failed"} <= codes
    assert codes - {*OF_SHOTS} == set()


def test_a_word_of_a_provider_that_is_new_is_named_and_can_be_retried():
    assert of_shot("odd_word").title == "The provider says: odd_word"
    assert "retry" in of_shot("odd_word").choices
