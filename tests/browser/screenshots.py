"""Take the pictures of the pages that stand in the documents: `make screenshots`.

It starts everything of its own, submits the demo's film with its frames to be approved, decides
about some of them, and looks at the pages with Chromium. The film that costs something is made by
the fake provider, with play money.
"""

import io
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser.chromium import ARGUMENTS, CHROMIUM

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
FAKE = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
NOTE = "Closer to the lock, and let the light come from the left."
WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
PATIENCE_S = 180.0

Api = httpx.Client


@contextmanager
def running(state: Path) -> Iterator[Api]:
    """An installation of its own; yields a client that may do everything."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "filmforge.cli", "up", "--fake", "--port", port]
    process = subprocess.Popen(
        [*command, "--state", str(state)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: (state / "up.json").exists() or process.poll() is not None)
        up = json.loads((state / "up.json").read_text())
        key = {"Authorization": f"Bearer {up['api_key']}"}
        with httpx.Client(base_url=up["api"], headers=key, timeout=30, trust_env=False) as api:
            yield api
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def until(met: Callable[[], Any]) -> Any:
    """Wait for a condition; returns what it came to."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := met()):
        if time.monotonic() > deadline:
            raise TimeoutError("the film did not come so far")
        time.sleep(0.2)
    return found


def submitted(api: Api, film_id: str, **changes: Any) -> str:
    """The demo's film under another id."""
    document = json.loads((ROOT / "examples" / "attic.json").read_text())
    film = document if isinstance(document, dict) else {"shots": document}
    api.post("/v1/films", json={**film, "film_id": film_id, **changes}).raise_for_status()
    return film_id


def film(api: Api, film_id: str) -> Any:
    """The film as it is now."""
    return api.get(f"/v1/films/{film_id}").json()


def waiting(api: Api, film_id: str, count: int) -> Any:
    """The gates of a film, once there are so many."""

    def enough() -> Any:
        gates = film(api, film_id)["gates"]
        return gates if len(gates) >= count else None

    return until(enough)


def decide(api: Api, film_id: str, verdict: str, gate: Any, note: str = "") -> None:
    """Approve or reject one frame."""
    wish = {"shot_id": gate["shot_id"], "digest": gate["digest"], "verdict": verdict, "note": note}
    answer = api.post(f"/v1/films/{film_id}/decisions", json={"decisions": [wish]})
    answer.raise_for_status()


def directed(api: Api) -> str:
    """A film in the middle of its making: some shots done, one retaken, some that wait."""
    film_id = submitted(api, "attic", approval={"frames": "required"})
    gates = {gate["shot_id"]: gate for gate in waiting(api, film_id, 5)}
    names = sorted(gates)
    for name in names[:2]:
        decide(api, film_id, "approve", gates[name])
    rejected = gates[names[2]]
    decide(api, film_id, "reject", rejected, NOTE)

    def retaken() -> bool:
        found = {gate["shot_id"]: gate["digest"] for gate in film(api, film_id)["gates"]}
        return bool(found.get(names[2], rejected["digest"]) != rejected["digest"])

    until(retaken)
    until(lambda: sum(shot["review"] == "done" for shot in film(api, film_id)["shots"]) >= 2)
    return film_id


def paid(api: Api) -> str:
    """A film that cost play money."""
    film_id = submitted(api, "attic-paid", providers=FAKE, budget_usd="5.00")
    until(lambda: film(api, film_id)["execution"] == "succeeded")
    return film_id


def take(page: Page, address: str, name: str, *, whole: bool = False) -> None:
    """One picture of a page, once all its pictures are there."""
    page.goto(address)
    page.wait_for_load_state("load")
    page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => null)))")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    shot.convert("RGB").save(PICTURES / f"{name}.webp", quality=78, method=6)


def look(api: Api, folder: Path, film_id: str, paid_id: str) -> None:
    """Take every picture, on a screen and on a phone."""
    base = str(api.base_url).rstrip("/")
    retaken = film(api, film_id)["shots"][2]
    frames = [take["digest"] for take in retaken["takes"] if take["kind"] == "image"]
    shot = f"{base}/films/{film_id}/shots/{retaken['shot_id']}"
    with sync_playwright() as tools:
        browser = tools.chromium.launch_persistent_context(
            folder / "profile", executable_path=CHROMIUM, args=[*ARGUMENTS], viewport=WIDE
        )
        page = browser.pages[0]
        page.goto(f"{base}/sign-in")
        page.get_by_label("Key").fill(api.headers["authorization"].removeprefix("Bearer "))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/films")
        take(page, f"{base}/films/{film_id}", "board")
        take(page, shot, "shot")
        take(page, f"{shot}?compare={frames[0]},{frames[-1]}", "compare")
        take(page, f"{base}/films/{paid_id}/costs", "costs")
        page.set_viewport_size(PHONE)
        take(page, f"{base}/films/{film_id}", "board-phone")
        take(page, shot, "shot-phone")
        browser.close()


def main() -> None:
    """Make the films, take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, running(Path(name) / "state") as api:
        look(api, Path(name), directed(api), paid(api))
    for picture in sorted(PICTURES.glob("*.webp")):
        sys.stdout.write(f"{picture.relative_to(ROOT)}  {picture.stat().st_size >> 10} KiB\n")


if __name__ == "__main__":
    main()
