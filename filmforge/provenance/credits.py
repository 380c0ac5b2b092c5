"""Camera-ready credits: which models made what, who approved it, with what software."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from filmforge.fields import Frozen, Label
from filmforge.provenance.facts import Approved, MadeWith, Role
from filmforge.provenance.manifest import software

_HEADINGS = {
    Role.FRAME: "Pictures",
    Role.CLIP: "Moving pictures",
    Role.VOICE: "Voices",
    Role.MUSIC: "Music",
    Role.AMBIENCE: "Ambience",
    Role.EFFECT: "Sound effects",
}
_SUPPLIED = "Supplied by the production"


class Credit(Frozen):
    """One model and what it made: files in the film, and takes, which count those left out too.

    `names` are the voices or the pieces of music; `shots` those with a file of it in the film.
    """

    role: Role
    provider: str
    model: str
    in_film: int
    takes: int
    reused: int
    shots: tuple[str, ...]
    names: tuple[str, ...]


class Credits(Frozen):
    """The credits of a film, in an order that depends on nothing but what they say."""

    title: str
    made_with: tuple[Credit, ...]
    approved_by: tuple[str, ...]
    software: Annotated[tuple[Label, ...], Field(min_length=1)]


def credits_of(
    title: str,
    made_with: Iterable[MadeWith],
    approvals: Iterable[Approved] = (),
    other_software: Iterable[str] = (),
) -> Credits:
    """Gather the credits. Models stand by role, most files in the film first, then by name."""
    groups: dict[tuple[Role, str, str], list[MadeWith]] = {}
    for made in made_with:
        groups.setdefault((made.role, made.provider, made.model), []).append(made)
    credited = [_credit(group) for group in groups.values()]
    ours = software()
    return Credits(
        title=title,
        made_with=tuple(sorted(credited, key=_rank)),
        approved_by=tuple(sorted({a.by for a in approvals if a.by})),
        software=(f"{ours['name']} {ours['version']}", *sorted(set(other_software))),
    )


def _rank(credit: Credit) -> tuple[int, int, str, str]:
    return list(Role).index(credit.role), -credit.in_film, credit.provider, credit.model


def _credit(group: Sequence[MadeWith]) -> Credit:
    used = [made for made in group if made.used]
    return Credit(
        role=group[0].role,
        provider=group[0].provider,
        model=group[0].model,
        in_film=len(used),
        takes=len(group),
        reused=sum(made.reused for made in group),
        shots=tuple(sorted({made.shot_id for made in used if made.shot_id})),
        names=tuple(sorted({made.name for made in used if made.name})),
    )


def credits_text(gathered: Credits) -> str:
    """The credits as text, ready to be set: a block for each craft, a line for each model.

    Only what is in the film is credited; takes that were left out stay in the model.
    """
    shown = [credit for credit in gathered.made_with if credit.in_film]
    blocks = [[gathered.title]] if gathered.title else []
    for role, heading in _HEADINGS.items():
        lines = [_line(credit) for credit in shown if credit.role is role]
        blocks += [[heading, *lines]] if lines else []
    if gathered.approved_by:
        blocks.append(["Approved by", *gathered.approved_by])
    blocks.append(["Made with", *gathered.software])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _line(credit: Credit) -> str:
    maker = _SUPPLIED if credit.provider == "upload" else f"{credit.provider}:{credit.model}"
    names = f" ({', '.join(credit.names)})" if credit.names else ""
    return f"{maker}{names}: {credit.in_film}"
