"""From a shot and what people asked of it to the request a provider is sent."""

import hashlib
from typing import Any

from pydantic import JsonValue, ValidationError

from filmforge.brief import Brief, Output
from filmforge.cast import IMAGE_GUIDES, MAX_REFERENCES, VIDEO_GUIDES, Character
from filmforge.cues import SoundShot
from filmforge.domain import Direction, GenerationRequest, Ingredient, Kind, Providers, Shot, Tags
from filmforge.errors import BadInput
from filmforge.providers.catalogue import Model, fit

DEFAULT_PROVIDERS = Providers(
    image="preview:storyboard", video="preview:camera", audio="preview:voice"
)
DEFAULT_SOUNDS = {"music": "preview:music", "effect": "preview:ambience"}
# A sound has no more than this to change.
SOUND_FIELDS = ("enhanced_prompt", "duration", "seed")
NARRATOR = "narrator"
FIXED_FIELDS = ("shot_id", "shot_number", "scene_id", "providers", "transition")


def directed(shot: Shot, direction: Direction) -> Shot:
    """The shot with the changes people asked for.

    Raises BadInput naming the field when a change cannot be made.
    """
    if not direction.changes:
        return shot
    is_sound = isinstance(shot, SoundShot)
    for name in direction.changes:
        if is_sound and name not in SOUND_FIELDS:
            remedy = f"Of a sound, change {', '.join(SOUND_FIELDS)}."
            raise BadInput(f"changes.{name}", "cannot be changed", remedy)
        if name in FIXED_FIELDS or name not in Shot.model_fields:
            raise BadInput(f"changes.{name}", "cannot be changed", "Change a creative field.")
    merged = {**shot.model_dump(mode="json"), **direction.changes}
    try:
        return type(shot).model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"changes.{name}", first["msg"], "Correct the value.") from None


def rejected(direction: Direction, note: str = "", takes: int = 1) -> Direction:
    """What is asked of a shot whose frame was rejected: so many frames, each of its own seed."""
    kept = {kind: digest for kind, digest in direction.replaced.items() if kind != Kind.IMAGE}
    return direction.model_copy(
        update={
            "notes": (*direction.notes, note) if note.strip() else direction.notes,
            "retakes": direction.retakes + takes,
            "takes": takes,
            "replaced": kept,
        }
    )


def chosen(direction: Direction, frame: str) -> Direction:
    """What is asked of a shot that goes on with a frame it has."""
    replaced = {**direction.replaced, Kind.IMAGE: frame}
    return direction.model_copy(update={"replaced": replaced, "takes": 1})


def as_shot(shot: Shot, direction: Direction) -> Shot:
    """The shot that by itself asks for what this one asks for as directed.

    Takes of another kind than frames that were made again for their quality differ in their seed.
    """
    asked = directed(shot, direction)
    # The seed comes of the prompt before the notes that steer it.
    moved = direction.notes or direction.retakes or direction.remade
    seed = _seed(asked, direction, Kind.IMAGE) if moved else asked.seed
    prompt = _steered(asked.enhanced_prompt, direction)
    providers = direction.providers.over(asked.providers)
    return asked.model_copy(
        update={"enhanced_prompt": prompt, "seed": seed, "providers": providers}
    )


def earlier(direction: Direction, before_last: int) -> Direction:
    """The direction of a frame that was asked for together with those after it."""
    if not before_last:
        return direction
    return direction.model_copy(update={"retakes": direction.retakes - before_last})


def model_ref(film: Brief, shot: Shot, direction: Direction, kind: Kind) -> tuple[str, str]:
    """The provider and the model that make this kind of asset for this shot."""
    usual = DEFAULT_PROVIDERS
    if isinstance(shot, SoundShot):
        usual = Providers(audio=DEFAULT_SOUNDS[shot.cue.makes])
    given = (direction.providers, shot.providers, film.providers, usual)
    ref = next(ref for each in given if (ref := getattr(each, kind.value)))
    provider, _, model = str(ref).partition(":")
    return provider, model


def makes_of(shot: Shot) -> str:
    """What the sound of a shot is, as models tell sounds apart."""
    return shot.cue.makes if isinstance(shot, SoundShot) else "speech"


def tags_of(shot: Shot) -> Tags:
    """What the assets of a shot are found by."""
    return Tags(
        characters=shot.characters,
        landscapes=shot.landscapes,
        styles=shot.styles,
        mood=shot.mood,
        time_of_day=shot.time_of_day,
        shot_type=shot.shot_type,
    )


def request_for(
    film: Brief, shot: Shot, direction: Direction, kind: Kind, model: Model, frame: str | None
) -> GenerationRequest:
    """The request that makes one kind of asset; `frame` is the digest a clip is made from.

    Raises BadInput naming a guide or an option that the model does not take, or lacks.
    """
    provider, model_id = model_ref(film, shot, direction, kind)
    shot = directed(shot, direction)
    offered = _parameters(film.output, shot, direction, kind)
    offered |= {"loras": _loras(film, shot), "voice_text": _speaker(film, shot).voice_text}
    return GenerationRequest(
        kind=kind,
        provider=provider,
        model=model_id,
        parameters=fit(model, offered) | _options(film, shot, kind, model),
        seed=_seed(shot, direction, kind) if model.takes_seed else None,
        inputs=_inputs(film, shot, kind, model, frame),
    )


def _loras(film: Brief, shot: Shot) -> list[JsonValue]:
    """The LoRAs of the characters of a shot, each once."""
    loras = [lora for name in shot.characters for lora in _known(film, name).loras]
    return [{"name": name, "weight": w} for name, w in {x.name: x.weight for x in loras}.items()]


def _known(film: Brief, name: str) -> Character:
    return film.cast.get(name, Character())


def _speaker(film: Brief, shot: Shot) -> Character:
    return _known(film, (shot.characters or (NARRATOR,))[0])


def _options(film: Brief, shot: Shot, kind: Kind, model: Model) -> dict[str, JsonValue]:
    given: dict[str, JsonValue] = getattr(shot.options.over(film.options), kind.value)
    for name in given:
        if name not in model.options:
            takes = ", ".join(sorted(model.options)) or "none"
            raise BadInput(
                f"options.{kind.value}.{name}",
                f"{model.id} does not take it",
                f"Its options are: {takes}.",
            )
    return given


def _inputs(
    film: Brief, shot: Shot, kind: Kind, model: Model, frame: str | None
) -> tuple[Ingredient, ...]:
    """What a request is made from: the frame, the guides of its kind, and what a character is."""
    found = {"frame": frame} if frame else {}
    named = {Kind.IMAGE: IMAGE_GUIDES, Kind.VIDEO: VIDEO_GUIDES, Kind.AUDIO: ()}[kind]
    for name, digest in shot.guides.given.items():
        if name in named and name not in model.roles:
            takes = ", ".join(sorted(model.roles)) or "none"
            raise BadInput(f"guides.{name}", f"{model.id} takes none", f"Its guides are: {takes}.")
        if name in named:
            found[name] = digest
    for name in sorted(model.needs - found.keys()):
        raise BadInput(f"guides.{name}", f"{model.id} is made from one", "Name it by its digest.")
    if "references" in model.roles:
        known = [r for name in shot.characters for r in _known(film, name).references]
        shown = list(dict.fromkeys(known))[:MAX_REFERENCES]
        found |= {f"reference_{n}": digest for n, digest in enumerate(shown, 1)}
    speaker = _speaker(film, shot)
    if "voice" in model.roles and speaker.voice:
        if "voice_text" in model.parameters and not speaker.voice_text:
            name = (shot.characters or (NARRATOR,))[0]
            remedy = "Write what is said in the voice."
            raise BadInput(f"cast.{name}.voice_text", f"{model.id} must know it", remedy)
        found["voice"] = speaker.voice
    return tuple(Ingredient.model_validate({"role": r, "digest": d}) for r, d in found.items())


def _parameters(
    output: Output, shot: Shot, direction: Direction, kind: Kind
) -> dict[str, JsonValue]:
    look: dict[str, Any] = {
        "prompt": _steered(shot.enhanced_prompt, direction),
        "negative_prompt": shot.negative_prompt,
        "width": output.width,
        "height": output.height,
    }
    traits: dict[str, Any] = {
        "shot_type": shot.shot_type,
        "mood": shot.mood,
        "time_of_day": shot.time_of_day,
        "characters": list(shot.characters),
        "landscapes": list(shot.landscapes),
        "styles": list(shot.styles),
    }
    match kind:
        case Kind.IMAGE:
            return {**look, **traits}
        case Kind.VIDEO:
            motion = {"fps": str(output.fps), "duration": format(shot.duration, "f")}
            return {**look, **traits, **motion, "camera": shot.camera}
        case Kind.AUDIO if isinstance(shot, SoundShot):
            # Some models take their words as a text.
            words = look["prompt"]
            return {"prompt": words, "text": words, "duration": format(shot.duration, "f")}
        case Kind.AUDIO:
            return {
                "text": shot.dialogue,
                "voice": (shot.characters or (NARRATOR,))[0],
                "mood": shot.mood,
            }


def _steered(prompt: str, direction: Direction) -> str:
    notes = [f"Director's note: {note}" for note in direction.notes if note.strip()]
    return "\n".join([prompt, *notes])


def _seed(shot: Shot, direction: Direction, kind: Kind) -> int:
    text = f"{shot.enhanced_prompt}\n{shot.negative_prompt}".encode()
    base = shot.seed if shot.seed is not None else int.from_bytes(hashlib.sha256(text).digest()[:3])
    return (base + direction.retakes + len(direction.remade.get(kind, ()))) % 2**31
