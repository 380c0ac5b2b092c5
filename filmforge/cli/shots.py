"""Commands about one shot: what a person decides."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from filmforge.cli.connect import connect, print_json, say
from filmforge.cli.options import AsJson, FilmId, ShotId, State, Who, login_name
from filmforge.errors import BadInput, Conflict

_LISTS = ("characters", "landscapes", "styles")
_MODEL = "PROVIDER:MODEL"


def approve(
    film: FilmId, shot: ShotId, who: Who = None, state: State = None, as_json: AsJson = False
) -> None:
    """Approve the frame that waits; its clip is made next."""
    _decide(film, shot, "approve", "", who, state, as_json)


def reject(
    film: FilmId,
    shot: ShotId,
    note: Annotated[str, typer.Option("--note", help="What is to change; it steers the retake.")],
    who: Who = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Reject the frame that waits; a retake follows the note."""
    _decide(film, shot, "reject", note, who, state, as_json)


def retry(
    film: FilmId,
    shot: ShotId,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Change a field of the shot; repeatable."
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar=_MODEL, help="Who makes the frame.")
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", metavar=_MODEL, help="Who makes the clip.")
    ] = None,
    audio: Annotated[
        str | None, typer.Option("--audio", metavar=_MODEL, help="Who speaks.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a shot again, as it is or with other words or another provider.

    Lists take commas: --set characters=emma,tom
    """
    models = {"image": image, "video": video, "audio": audio}
    body = {
        "changes": parse_changes(changes or []),
        "providers": {kind: model for kind, model in models.items() if model},
    }
    _act(film, shot, "retry", body, state, as_json)


def skip(film: FilmId, shot: ShotId, state: State = None, as_json: AsJson = False) -> None:
    """Leave a shot out of the film."""
    _act(film, shot, "skip", None, state, as_json)


def accept(
    film: FilmId,
    shot: Annotated[
        str | None,
        typer.Argument(metavar="[SHOT]", help="The id of the shot; without it, the whole film."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a shot, or with the film, as it is: whatever was found in it is good enough."""
    from filmforge.cli.api import film_path

    if shot is not None:
        return _act(film, shot, "accept", None, state, as_json)
    with connect(state) as api:
        answer = api.post(film_path(film, "accept"), None)
    return _told(answer, f"{film}: accepted", as_json)


def replace(
    film: FilmId,
    shot: ShotId,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)
    ],
    kind: Annotated[
        Literal["image", "video", "audio"] | None,
        typer.Option("--kind", help="What the file is; the file's own content decides otherwise."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Use a file of your own for a shot: a frame, a clip or a voice."""
    from filmforge.cli.api import film_path

    chosen = kind or kind_of(file)
    with connect(state) as api:
        answer = api.upload(film_path(film, "shots", shot, "replace"), file, kind=chosen)
    _told(answer, f"{shot} now uses {file}", as_json)


def resolve(
    film: FilmId,
    shot: ShotId,
    choice: Annotated[
        Literal["look_again", "send_again", "write_off"],
        typer.Argument(help="send_again may be charged a second time."),
    ],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Say what to do about a request whose answer was lost."""
    _act(film, shot, "resolve", {"choice": choice}, state, as_json)


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """Read FIELD=VALUE pairs. Raises BadInput for one without "=" or a seed that is no number."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput("--set", f"{pair!r} is no FIELD=VALUE", "Write --set mood=calm")
        changes[name] = _value(name, value)
    return changes


def kind_of(file: Path) -> str:
    """What kind of asset a file is, by its content. Raises BadMedia."""
    from filmforge.media.probe import probe

    return str(probe(file).kind)


def _value(name: str, value: str) -> Any:
    if name in _LISTS:
        return [part.strip() for part in value.split(",") if part.strip()]
    if name != "seed":
        return value
    try:
        return int(value)
    except ValueError:
        raise BadInput(
            "--set seed", f"{value!r} is no whole number", "Write --set seed=7"
        ) from None


def _decide(
    film_id: str,
    shot_id: str,
    verdict: str,
    note: str,
    who: str | None,
    state: Path | None,
    as_json: bool,
) -> None:
    from filmforge.cli.api import film_path

    with connect(state) as api:
        film = api.get(film_path(film_id))
        gate = next((g for g in film.get("gates") or () if g["shot_id"] == shot_id), None)
        if gate is None:
            raise Conflict(f"no frame of {shot_id} waits for approval{_standing(film, shot_id)}")
        body = {"note": note, "who": who or login_name()}
        answer = api.post(f"{gate['review_url']}/{verdict}", body)
    _told(answer, f"{shot_id} {'approved' if verdict == 'approve' else 'rejected'}", as_json)


def _standing(film: dict[str, Any], shot_id: str) -> str:
    shot = next((s for s in film["shots"] if s["shot_id"] == shot_id), None)
    if shot is None:
        return f": the film {film['film_id']} has no such shot"
    return f": it is {shot['review']} and {shot['execution']}"


def _act(
    film_id: str, shot_id: str, verb: str, body: Any, state: Path | None, as_json: bool
) -> None:
    from filmforge.cli.api import film_path

    with connect(state) as api:
        answer = api.post(film_path(film_id, "shots", shot_id, verb), body)
    _told(answer, f"{shot_id}: {verb} accepted", as_json)


def _told(answer: Any, line: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        said = answer.get("message") if isinstance(answer, dict) else None
        say(said or line)
