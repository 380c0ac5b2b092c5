"""What a film was made into, as it is answered: each file with its name and its URL."""

from collections.abc import Callable, Iterator, Sequence

from filmforge.errors import NotFound
from filmforge.fields import Digest, Frozen
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_output
from filmforge.gateway.wording import clip
from filmforge.ledger.makings import Making
from filmforge.ledger.outputs import FILM, Output
from filmforge.quality import Checked

PLAYLIST = "application/vnd.apple.mpegurl"
_ENDINGS = {
    "application/pdf": ".pdf",
    "audio/flac": ".flac",
    "audio/wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
}
_ENDED = (".srt", ".vtt", ".json", ".txt")

UrlOf = Callable[[str, str], str]


class OutputView(Frozen):
    """A file the film was made into; `name` is what to call it when it is kept.

    `assembled` is the film while it is not released: the one to look at before it is accepted.
    `checked` is what was found in it, null where nothing was looked for. Where `files` is more
    than one, the URL opens the first of them, which names the others.
    """

    kind: str
    name: str
    digest: Digest
    media_type: str
    files: int = 1
    checked: Checked | None = None
    url: str


class OutputFile(Frozen):
    """One file of an output; `name` has / in it where a folder belongs around it."""

    kind: str
    name: str
    digest: Digest
    media_type: str
    url: str


class FoundFile(Frozen):
    """A stored file of an output, and its name without folders."""

    digest: Digest
    media_type: str
    filename: str


def outputs_of(gateway: Gateway, url_of: UrlOf, film_id: str) -> list[OutputView]:
    """Everything a film was made into; reads the database."""
    given = gateway.ledger.films.given(film_id)
    keys = [output.recipe_key for output in given if output.recipe_key]
    made = gateway.ledger.makings.among(keys)
    return [
        OutputView(
            kind=each.kind,
            name=(name := _name(film_id, each)),
            digest=each.digest,
            media_type=each.media_type,
            files=len(files := made.get(each.recipe_key or "", ())) or 1,
            checked=each.checked,
            url=_playlist(gateway, film_id, each, files) or url_of(each.digest, name),
        )
        for each in given
    ]


def files_of(gateway: Gateway, url_of: UrlOf, film_id: str) -> list[OutputFile]:
    """Every file of everything a film was made into, each by itself; reads the database."""
    found: list[OutputFile] = []
    for output in gateway.ledger.films.given(film_id):
        for name, digest, media_type in _parts(gateway, film_id, output):
            url = url_of(digest, name.rpartition("/")[2])
            found.append(
                OutputFile(
                    kind=output.kind, name=name, digest=digest, media_type=media_type, url=url
                )
            )
    return found


def find_file(gateway: Gateway, film_id: str, name: str) -> FoundFile:
    """A file by its kind, or by its kind, a slash and its name in it. Raises NotFound."""
    kind, _, inside = name.partition("/")
    for output in gateway.ledger.films.given(film_id):
        if output.kind != kind:
            continue
        if not inside:
            own = _name(film_id, output).rpartition("/")[2]
            return FoundFile(digest=output.digest, media_type=output.media_type, filename=own)
        for making in _makings(gateway, output):
            if making.name in (name, inside):
                return FoundFile(
                    digest=making.digest,
                    media_type=making.media_type,
                    filename=making.name.rpartition("/")[2],
                )
    raise NotFound(f"the film {film_id} has no output {clip(name)}")


def _parts(gateway: Gateway, film_id: str, output: Output) -> Iterator[tuple[str, str, str]]:
    """The name, digest and media type of each file."""
    makings = _makings(gateway, output)
    if len(makings) < 2:
        yield _name(film_id, output), output.digest, output.media_type
        return
    for making in makings:
        yield f"{film_id}.{making.name}", making.digest, making.media_type


def _makings(gateway: Gateway, output: Output) -> tuple[Making, ...]:
    return gateway.ledger.makings.of(output.recipe_key) if output.recipe_key else ()


def _playlist(gateway: Gateway, film_id: str, output: Output, files: Sequence[Making]) -> str:
    """The address of a playlist, under which what it names is found too; empty for other files."""
    if output.media_type != PLAYLIST or not files:
        return ""
    base = sign_output(gateway.settings, film_id, output.kind)
    # The first opens the others, also where the recipe was made anew and its bytes are others now.
    return f"{base}/{output.kind}/{files[0].name.rpartition('/')[2]}"


def _name(film_id: str, output: Output) -> str:
    if output.kind.endswith(_ENDED):
        return f"{film_id}.{output.kind}"
    media_type = output.media_type.partition(";")[0]
    if media_type == PLAYLIST:
        return f"{film_id}.{output.kind}.m3u8"
    ending = _ENDINGS.get(media_type, "")
    return f"{film_id}{ending}" if output.kind == FILM else f"{film_id}.{output.kind}{ending}"
