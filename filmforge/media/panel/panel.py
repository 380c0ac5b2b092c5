"""One panel from its brief: set, people, things, air, finish."""

from collections.abc import Callable
from pathlib import Path

from filmforge.media.panel import exteriors, interiors, town, water, woods
from filmforge.media.panel.attic import attic
from filmforge.media.panel.brief import PanelBrief
from filmforge.media.panel.canvas import Canvas
from filmforge.media.panel.chest import chest
from filmforge.media.panel.colour import mix, scaled
from filmforge.media.panel.doorway import doorway
from filmforge.media.panel.figures import STATURE, draw_person
from filmforge.media.panel.finish import finish
from filmforge.media.panel.outline import box, ring, smooth
from filmforge.media.panel.props import in_hands
from filmforge.media.panel.solids import Painter
from filmforge.media.panel.stage import stage_for
from filmforge.media.panel.wardrobe import look_of
from filmforge.media.panel.weather import air

SETS: dict[str, Callable[[Painter], None]] = {
    "attic": attic,
    "room": interiors.room,
    "corridor": interiors.corridor,
    "hall": interiors.hall,
    "cave": interiors.cave,
    "forest": woods.forest,
    "field": exteriors.field,
    "mountain": exteriors.mountain,
    "desert": exteriors.desert,
    "sea": water.sea,
    "space": exteriors.space,
    "city": town.city,
    "alley": town.alley,
}


def draw_panel(parameters: PanelBrief, path: Path) -> None:
    """Draw a panel as a PNG: equal briefs give equal bytes."""
    stage = stage_for(parameters)
    canvas = Canvas(parameters.width, parameters.height)
    painter = Painter(canvas, stage)
    SETS[stage.setting](painter)
    canvas.settle()
    canvas.defocus(stage.blur)
    _subject(painter)
    air(painter)
    canvas.settle()
    size = (parameters.width, parameters.height)
    picture = finish(canvas.image, size, stage.palette.grade, parameters.seed)
    picture.save(path, "PNG", compress_level=3)


def _subject(p: Painter) -> None:
    stage = p.stage
    if stage.framing == "insert":
        _insert(p)
        return
    if stage.framing == "pov":
        if stage.people and stage.thing:
            in_hands(p, stage.thing, stage.people[0])
        return
    _people(p)


def _insert(p: Painter) -> None:
    thing = p.stage.thing or "letter"
    if thing == "chest":
        chest(
            p,
            p.stage.chance("chest").uniform(-0.12, 0.12),
            p.stage.camera.distance + 0.7,
            p.stage.opened,
        )
        return
    in_hands(p, thing, p.stage.people[0] if p.stage.people else "stranger")


CAST = frozenset(("wide", "extreme_wide", "aerial", "full", "two", "high", "low", "medium"))
TIGHT = frozenset(("medium", "medium_close", "close", "extreme_close"))
THIRDS = {"close": 0.04, "medium_close": 0.07, "extreme_close": 0.0, "medium": 0.11}


def _people(p: Painter) -> None:
    stage = p.stage
    if stage.framing == "shoulder" and stage.people:
        _over_shoulder(p)
        return
    names = stage.people if stage.framing in CAST else stage.people[:1]
    side = stage.chance("blocking").choice((-1.0, 1.0)) if stage.pose != "window" else -stage.side
    third = 0.07 if stage.pose == "window" else THIRDS.get(stage.framing, 0.15)
    alone = len(names) < 2
    middle = stage.aspect * (0.5 + side * (third if alone else 0.0)) - stage.camera.centre
    x = middle / stage.camera.scale(stage.camera.distance)
    if "chest" in stage.things and stage.framing in CAST:
        chest(
            p,
            x - side * (0.85 if names else 0.0),
            stage.camera.distance - 0.05,
            stage.opened and stage.pose in ("kneel", "reach"),
        )
        p.canvas.settle()
    for i, name in reversed(list(enumerate(names))):
        offset = (i - (len(names) - 1) / 2) * 0.58
        facing = -side if alone else (1.0 if offset <= 0 else -1.0)
        _person(p, name, (x + offset, stage.camera.distance + 0.12 * i), facing)


def _person(p: Painter, name: str, spot: tuple[float, float], facing: float) -> None:
    stage, (x, z) = p.stage, spot
    if stage.pose == "reach" and "door" in stage.things:
        doorway(p, x, z, facing)
    if stage.pose == "sit":
        p.block(x - facing * 0.02, 0, z + 0.05, (0.5, 0.42, 0.4), (120, 84, 58))
    rise = stage.camera.height - 1.575 * look_of(name).height / STATURE
    draw_person(
        p,
        name,
        x,
        z,
        facing,
        stage.pose,
        away=stage.pose == "window",
        rise=rise if stage.framing in TIGHT and len(stage.people) < 2 else 0.0,
    )


def _over_shoulder(p: Painter) -> None:
    stage = p.stage
    side = stage.chance("shoulder").choice((-1.0, 1.0))
    other = stage.people[1] if len(stage.people) > 1 else None
    if other is not None:
        z = stage.camera.distance
        x = (stage.aspect * (0.5 - side * 0.10) - stage.camera.centre) / stage.camera.scale(z)
        draw_person(p, other, x, z, side, "stand")
        p.canvas.settle()
    near = look_of(stage.people[0])
    dark = mix(scaled(stage.palette.hour.ambient, 0.30), scaled(near.top, 0.3), 0.5)
    hair = mix(scaled(stage.palette.hour.ambient, 0.22), scaled(near.hair, 0.4), 0.5)
    x = stage.aspect * (0.5 + side * 0.36)
    body = smooth(
        [
            (x - 0.50, 1.2),
            (x - 0.46, 0.86),
            (x - 0.30, 0.72),
            (x - 0.12, 0.64),
            (x + 0.12, 0.64),
            (x + 0.34, 0.72),
            (x + 0.50, 0.86),
            (x + 0.54, 1.2),
        ]
    )
    p.canvas.veil(body, dark, 1.0, 0.006)
    p.canvas.veil(box(x - 0.10, 0.45, x + 0.10, 0.70), scaled(near.skin, 0.25), 1.0, 0.006)
    p.canvas.veil(ring((x, 0.36), 0.205, 0.25), hair, 1.0, 0.006)
    if near.style in ("long", "wavy", "bob"):
        p.canvas.veil(
            smooth(
                [(x - 0.20, 0.3), (x - 0.24, 0.62), (x, 0.76), (x + 0.24, 0.62), (x + 0.20, 0.3)]
            ),
            hair,
            1.0,
            0.006,
        )
