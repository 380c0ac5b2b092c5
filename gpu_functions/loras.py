"""LoRAs: which there are, for which base model, what wakes them, and that a file is what it was.

The registry is `loras.json` in a folder beside the weights of the functions, the files lie in the
same folder. A name is for ever: films name their LoRAs, and a film made again must find the same.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from filmforge.errors import BadInput, BadMedia, Conflict, NotConfigured

REGISTRY = "loras.json"
# How many stay loaded while others work.
KEPT = 4
# The base model that LoRAs are trained on and used with here.
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"

# No separators and no leading dot: a file lies in the folder of the registry and nowhere else.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
# Other formats of weights can run code when they are read.
File = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.safetensors$")]


class Lora(BaseModel):
    """A LoRA: `file` in the registry's folder; `triggers` are words that a prompt needs for it.

    `base` is the hub id of the model it is for, `licence` what its makers allow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    file: File
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    triggers: tuple[str, ...] = ()
    base: str = SDXL
    licence: str
    created: AwareDatetime


_Entries = TypeAdapter(tuple[Lora, ...])


def registered(root: Path) -> dict[str, Lora]:
    """Every LoRA by name. Raises NotConfigured for a registry that cannot be read."""
    path = root / REGISTRY
    if not path.is_file():
        return {}
    try:
        return {entry.name: entry for entry in _Entries.validate_json(path.read_bytes())}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotConfigured(f"{path}: {where}: {first['msg']}") from None


def register(root: Path, entry: Lora, file: Path) -> None:
    """Copy a file to the others and enter it; entering the same again changes nothing.

    Raises BadMedia when the file has not the digest of its entry, Conflict when the name is
    another file's.
    """
    _check(file, entry)
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        entries = registered(root)
        stands = entries.get(entry.name)
        if stands is not None and stands.sha256 != entry.sha256:
            raise Conflict(f"the LoRA {entry.name!r} is another file: choose another name")
        for other in entries.values():
            if other.file == entry.file and other.sha256 != entry.sha256:
                raise Conflict(f"{entry.file} is the file of the LoRA {other.name!r}")
        if stands is not None:
            return
        part = root / f"{entry.file}.part"
        shutil.copyfile(file, part)
        part.replace(root / entry.file)
        _write(root, (*entries.values(), entry))


def resolve(root: Path, names: Iterable[str], base: str) -> list[Lora]:
    """The LoRAs of these names, for that base model. Raises BadInput naming those there are."""
    entries = registered(root)
    found = []
    for name in names:
        if name not in entries:
            known = ", ".join(sorted(entries)) or "none"
            raise BadInput("loras", f"there is no {name!r}", f"Registered in {root}: {known}.")
        if entries[name].base != base:
            remedy = f"Use a LoRA for {base}."
            raise BadInput("loras", f"{name!r} is for {entries[name].base}", remedy)
        found.append(entries[name])
    return found


def verified(root: Path, entry: Lora) -> Path:
    """The file of a LoRA, read and held against its digest. Raises BadMedia."""
    path = root / entry.file
    if not path.is_file():
        raise BadMedia(f"the LoRA {entry.name!r} has no file {path}")
    _check(path, entry)
    return path


def with_triggers(prompt: str, entries: Iterable[Lora]) -> str:
    """A prompt with the trigger words that it has not yet, in front."""
    words = dict.fromkeys(word for entry in entries for word in entry.triggers)
    missing = [
        word
        for word in words
        if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE)
    ]
    return ", ".join([*missing, prompt])


class Loaded:
    """The LoRAs that a diffusers pipeline has loaded; the last used stay from work to work."""

    def __init__(self, pipeline: Any, root: Path, base: str) -> None:
        self._pipeline = pipeline
        self._root = root
        self._base = base
        self._kept: list[str] = []

    def use(self, weights: Mapping[str, float]) -> list[Lora]:
        """Let these LoRAs and no others work, by name; returns their entries.

        Without any, the model is again as it was before the first. Raises BadInput or BadMedia.
        """
        chosen = resolve(self._root, weights, self._base)
        if not chosen:
            self._forget()
            return []
        try:
            for entry in chosen:
                self._load(entry)
        except Exception:
            self._forget()
            raise
        surplus = self._kept[: -max(KEPT, len(chosen))]
        if surplus:
            self._pipeline.delete_adapters(surplus)
            self._kept = self._kept[len(surplus) :]
        self._pipeline.set_adapters([_adapter(entry) for entry in chosen], [*weights.values()])
        return chosen

    def _load(self, entry: Lora) -> None:
        """Load it unless it is, and note it as the last used."""
        adapter = _adapter(entry)
        if adapter in self._kept:
            self._kept.remove(adapter)
            self._kept.append(adapter)
            return
        file = verified(self._root, entry)
        self._kept.append(adapter)
        wrong = BadMedia(f"the LoRA {entry.name!r}: {file} has no layers of this model")
        try:
            self._pipeline.load_lora_weights(
                str(file.parent),
                weight_name=file.name,
                adapter_name=adapter,
                local_files_only=True,
                use_safetensors=True,
            )
        except (IndexError, KeyError, ValueError) as error:
            raise wrong from error
        if not any(adapter in names for names in self._pipeline.get_list_adapters().values()):
            raise wrong

    def _forget(self) -> None:
        """Unload all of them."""
        if self._kept:
            self._kept = []
            self._pipeline.unload_lora_weights()


def _adapter(entry: Lora) -> str:
    """Its name in peft, which allows no dots."""
    return f"{entry.name.replace('.', '_')}_{entry.sha256[:16]}"


def _check(path: Path, entry: Lora) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.sha256:
        raise BadMedia(f"the LoRA {entry.name!r}: {path} has the digest {digest}, not its own")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One writer at a time; the lock goes with its process."""
    with (root / f"{REGISTRY}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(root: Path, entries: tuple[Lora, ...]) -> None:
    part = root / f"{REGISTRY}.part"
    with part.open("wb") as file:
        file.write(_Entries.dump_json(entries, indent=2))
        file.flush()
        os.fsync(file.fileno())
    part.replace(root / REGISTRY)
