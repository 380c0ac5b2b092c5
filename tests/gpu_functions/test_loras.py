"""The registry of LoRAs."""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filmforge.errors import BadInput, BadMedia, Conflict, NotConfigured
from gpu_functions.loras import REGISTRY, SDXL, Lora, register, registered, resolve, verified
from gpu_functions.loras import with_triggers as told


def a_file(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "made.safetensors"
    path.write_bytes(content)
    return path


def an_entry(name: str = "emma", content: bytes = b"weights", **changes: object) -> Lora:
    return Lora.model_validate(
        {
            "name": name,
            "file": f"{name}.safetensors",
            "sha256": hashlib.sha256(content).hexdigest(),
            "triggers": ("emma woman",),
            "licence": "all rights reserved",
            "created": datetime(2026, 11, 21, tzinfo=UTC),
            **changes,
        }
    )


def test_what_is_registered_is_found_by_its_name_with_its_file(tmp_path: Path) -> None:
    root = tmp_path / "loras"
    register(root, an_entry(), a_file(tmp_path))
    assert resolve(root, ["emma"], SDXL) == [an_entry()]
    assert verified(root, an_entry()).read_bytes() == b"weights"


def test_loras_come_in_the_order_of_the_names(tmp_path: Path) -> None:
    for name in ("emma", "karl", "noir"):
        register(tmp_path, an_entry(name), a_file(tmp_path / "in"))
    names = [entry.name for entry in resolve(tmp_path, ["noir", "emma"], SDXL)]
    assert names == ["noir", "emma"]


def test_a_name_is_never_given_to_another_file(tmp_path: Path) -> None:
    register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    with pytest.raises(Conflict, match="emma"):
        register(tmp_path, an_entry(content=b"other"), a_file(tmp_path / "in", b"other"))
    assert verified(tmp_path, registered(tmp_path)["emma"]).read_bytes() == b"weights"


def test_the_same_may_be_registered_again(tmp_path: Path) -> None:
    for _ in range(2):
        register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    assert list(registered(tmp_path)) == ["emma"]


def test_a_file_of_another_lora_is_not_overwritten(tmp_path: Path) -> None:
    register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    entry = an_entry("karl", b"other", file="emma.safetensors")
    with pytest.raises(Conflict, match="emma"):
        register(tmp_path, entry, a_file(tmp_path / "in", b"other"))
    assert verified(tmp_path, an_entry()).read_bytes() == b"weights"


def test_a_file_that_is_not_what_its_entry_says_is_not_registered(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="emma"):
        register(tmp_path, an_entry(), a_file(tmp_path / "in", b"other"))
    assert registered(tmp_path) == {}


def test_a_file_that_was_changed_is_not_used(tmp_path: Path) -> None:
    register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    (tmp_path / "emma.safetensors").write_bytes(b"changed")
    with pytest.raises(BadMedia, match="emma"):
        verified(tmp_path, an_entry())


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    (tmp_path / "emma.safetensors").unlink()
    with pytest.raises(BadMedia, match=r"emma\.safetensors"):
        verified(tmp_path, an_entry())


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path) -> None:
    register(tmp_path, an_entry(), a_file(tmp_path / "in"))
    with pytest.raises(BadInput, match="emma") as refused:
        resolve(tmp_path, ["erna"], SDXL)
    assert refused.value.field == "loras"


def test_without_a_registry_there_are_none(tmp_path: Path) -> None:
    assert resolve(tmp_path / "nowhere", [], SDXL) == []
    with pytest.raises(BadInput, match="none"):
        resolve(tmp_path / "nowhere", ["emma"], SDXL)


def test_a_lora_for_another_base_model_is_refused(tmp_path: Path) -> None:
    register(tmp_path, an_entry(base="org/other"), a_file(tmp_path / "in"))
    with pytest.raises(BadInput, match="org/other"):
        resolve(tmp_path, ["emma"], SDXL)


def test_trigger_words_come_in_front_unless_they_are_there() -> None:
    loras = [an_entry(), an_entry("noir", triggers=("noir", "film grain"))]
    assert told("a street", loras) == "emma woman, noir, film grain, a street"
    assert told("Emma Woman in a Noir street", loras) == "film grain, Emma Woman in a Noir street"
    assert told("an emma womanly noirish film grain", loras).startswith("emma woman, noir, an")


@pytest.mark.parametrize("file", ["../a.safetensors", "/a.safetensors", "a/b.safetensors", "a.bin"])
def test_a_file_is_safetensors_in_the_folder_of_the_registry(file: str) -> None:
    with pytest.raises(ValueError, match="file"):
        an_entry(file=file)


def test_a_registry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / REGISTRY).write_text(json.dumps([{"name": "emma"}]), "utf-8")
    with pytest.raises(NotConfigured, match=r"loras\.json: 0\.file"):
        registered(tmp_path)


def _register(root: Path, number: int) -> None:
    content = str(number).encode()
    register(root, an_entry(f"lora{number}", content), a_file(root / f"in{number}", content))


def test_of_many_registered_at_once_none_is_lost(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_register, [tmp_path] * 8, range(8)))
    assert sorted(registered(tmp_path)) == [f"lora{number}" for number in range(8)]
