"""Music that was paid for is not paid for again when the worker dies while it is made."""

from pathlib import Path

import pytest

from tests.crash.studio import open_studio
from tests.fake_process import FakeServer
from tests.fakes.process import fake_vendor
from tests.world import film_document

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("servers")]


# Of its frame, its clip and its music, each comes by either point once and dies there. They come
# one after the other: what is under way as another one dies would be in doubt.
@pytest.mark.parametrize("point", ["posted", "settled"])
async def test_a_worker_killed_while_music_is_made_pays_for_it_once(
    point: str, fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"model": "elevenlabs:music_v1", "prompt": "a slow waltz", "duration": 3}
    models = {"image": "preview:storyboard", "video": "preview:camera"}
    document = film_document(
        shots=1, providers=models, sound={"music": [{"generate": wish}]}, stop_after="clips"
    )
    with fake_vendor("tests.fakes.elevenlabs", tmp_path / "elevenlabs.db", latency_s=0.1) as maker:
        monkeypatch.setenv("ELEVENLABS_API_KEY", "sk_of_a_fake")
        monkeypatch.setenv("ELEVENLABS_BASE_URL", maker.url)
        async with open_studio(fake, tmp_path, traps=[point] * 3, window=1) as studio:
            film_id = await studio.submit(document)
            for _ in range(3):
                await studio.trapped(point)
                await studio.start_worker()
            await studio.finish(film_id)
            (take,) = studio.ledger.takes.of_shot(film_id, "music-1")
            assert f"{point} {take.request_key}" in studio.trap_file.read_text().splitlines()
            assert maker.charges()["count"] == 1
            assert studio.ledger.budget(film_id).spent == take.cost > 0
