"""`filmforge gpu deploy` brings every function to Modal, pinned, bounded and with what it needs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filmforge.providers.catalogue import load_models
from gpu_functions.catalogue import ENDPOINTS, MAKERS, maker_of
from tests.gpu.modal_apps import Deployed, ModalApps, modal_apps

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted([*MAKERS, *ENDPOINTS])
BASE = "python:3.11.12-slim-bookworm"
TOKEN = {"MODAL_TOKEN_ID": "ak-of-a-test", "MODAL_TOKEN_SECRET": "as-of-a-test"}


def gpu(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`filmforge gpu …` with this environment, and no Modal but that of a test."""
    inherited = {name: value for name, value in os.environ.items() if "MODAL" not in name}
    return subprocess.run(
        (sys.executable, "-m", "filmforge.cli", "gpu", *arguments),
        env=inherited | {"MODAL_CONFIG_PATH": os.devnull} | environment,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
    )


@pytest.fixture(scope="module")
def deployed() -> Iterator[ModalApps]:
    """A Modal with every function deployed, each by its own file."""
    with modal_apps() as modal:
        done = gpu("deploy", "--no-weights", *FUNCTIONS, MODAL_SERVER_URL=modal.url, **TOKEN)
        assert done.returncode == 0, done.stdout + done.stderr
        yield modal


def app_of(modal: ModalApps, function: str) -> Deployed:
    name = f"filmforge-{function.replace('_', '-')}"
    return next(app for app in modal.apps.values() if app.name == name and app.published)


@pytest.mark.parametrize("function", sorted(MAKERS))
def test_a_function_is_a_worker_on_a_gpu_with_weights_and_bucket(
    deployed: ModalApps, function: str
) -> None:
    app = app_of(deployed, function)
    worker = app.functions["Worker.*"]
    assert list(worker.method_definitions) == ["make"]
    assert worker.resources.gpu_config.gpu_type
    assert worker.checkpointing_enabled
    mounts = {mount.mount_path: deployed.volumes[mount.volume_id] for mount in worker.volume_mounts}
    assert mounts == {"/weights": "filmforge-weights"}
    assert [deployed.secrets[secret] for secret in worker.secret_ids] == ["filmforge-s3"]
    download = app.functions["download"]
    assert download.timeout_secs >= 600
    assert not download.resources.gpu_config.gpu_type


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_package_of_an_image_is_pinned(deployed: ModalApps, function: str) -> None:
    for each in app_of(deployed, function).functions.values():
        lines = deployed.commands(each.image_id)
        base = "nvidia/cuda:13.0.1-devel-ubuntu24.04" if function == "llm" else BASE
        assert lines[0] == f"FROM {base}"
        installs = [line for line in lines if "uv pip install" in line]
        assert installs
        for line in installs:
            packages = [word for word in line.split() if re.match(r"[a-zA-Z][\w.\[\],-]*==", word)]
            rest = line.split("--compile-bytecode")[-1].split()
            assert sorted(packages) == sorted(word.strip("'") for word in rest)
        assert not any("astral-sh/uv:latest" in line for line in lines)


@pytest.mark.parametrize("function", sorted(load_models("modal")))
def test_a_call_can_last_no_longer_than_is_quoted(deployed: ModalApps, function: str) -> None:
    worker = app_of(deployed, function).functions["Worker.*"]
    model = load_models("modal")[function]
    assert worker.timeout_secs + worker.startup_timeout_secs == model.limit_s
    assert f"{worker.resources.gpu_config.gpu_type} $" in model.price.source


@pytest.mark.parametrize("function", sorted(MAKERS))
def test_weights_are_pinned_by_a_commit_and_have_a_licence(function: str) -> None:
    for repo in maker_of(function).source.repos:
        assert re.fullmatch(r"[0-9a-f]{40}", repo.revision), repo.id
        assert repo.licence


def test_a_file_of_a_function_imports_nothing_heavy() -> None:
    lines = [f"import gpu_functions.{name}" for name in FUNCTIONS]
    lines += [
        "import sys",
        "print({'torch', 'diffusers', 'transformers', 'cv2'} & sys.modules.keys())",
    ]
    told = subprocess.run(
        (sys.executable, "-c", "\n".join(lines)), capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "set()"


def test_what_functions_have_in_common_is_as_pinned_here() -> None:
    from gpu_functions.deployment import HUB, SHARED

    pinned = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-gpu.txt").read_text()
    for package in (*SHARED, HUB):
        assert f"{package} \\" in pinned.replace(" ; ", " \\ ; "), package


def test_a_function_that_does_not_exist_is_refused_with_those_that_do() -> None:
    done = gpu("deploy", "image_nonesuch", **TOKEN)
    assert done.returncode == 2
    assert "image_sdxl" in done.stderr


def test_without_a_token_nothing_is_deployed() -> None:
    done = gpu("deploy", "image_sdxl")
    assert done.returncode == 1
    assert "MODAL_TOKEN_ID" in done.stderr
