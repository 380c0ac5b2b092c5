"""A released film plays in a browser as it is: subtitles, credentials and all."""

from fractions import Fraction
from pathlib import Path

from filmforge.media.burn import SoftTrack, add_subtitles
from filmforge.provenance.development import development_identity
from filmforge.provenance.facts import Claim
from filmforge.provenance.sign import sign
from filmforge.subtitles import Cue
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.media.finished import make_film

pytestmark = IN_CHROMIUM
FPS = Fraction(24)
PLAYED = """video => new Promise((told, failed) => {
    video.onended = () => told([video.videoWidth, video.videoHeight, video.duration]);
    video.onerror = () => failed(video.error.message);
    video.play().catch(failed);
})"""


async def released(folder: Path) -> Path:
    """A film of one second with a text track, signed."""
    film = await make_film(folder / "joined.mp4", fps=FPS, frames=24)
    track = SoftTrack(language="en", cues=(Cue(start=6, end=18, lines=("Mind the lamp.",)),))
    await add_subtitles(film, [track], folder / "soft.mp4", FPS, folder)
    identity = development_identity(folder)
    await sign(folder / "soft.mp4", folder / "film.mp4", Claim(title="Attic"), identity)
    return folder / "film.mp4"


async def test_a_released_film_plays_to_its_end(tmp_path: Path) -> None:
    film = await released(tmp_path)
    async with browsing(tmp_path) as (page, _):
        await page.route("**/film.mp4", lambda route: route.fulfill(path=film))
        html = {"content_type": "text/html", "body": "<video src=film.mp4 muted></video>"}
        await page.route("**/", lambda route: route.fulfill(**html))
        await page.goto("http://film.test/")
        width, height, seconds = await page.locator("video").evaluate(PLAYED)
    assert (width, height) == (128, 72)
    assert abs(seconds - 1) < 0.05
