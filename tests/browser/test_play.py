"""The player in a real browser: it runs, obeys the keys, and takes clips as they land."""

import re
from pathlib import Path

from playwright.async_api import Page, expect

from filmforge.domain import Kind
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.rights import Given
from tests.browser.axe import serious_findings
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import House

pytestmark = IN_CHROMIUM
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}


async def clip(house: House, source: str = "testsrc2") -> str:
    """A clip of three seconds; returns its digest."""
    path = house.folder / f"{source}.mp4"
    drawn = ["-f", "lavfi", "-i", f"{source}=s=320x180:r=24:d=3", "-pix_fmt", "yuv420p"]
    await run_ffmpeg([*drawn, "-c:v", "libx264", "-preset", "ultrafast", str(path)], 60)
    return await house.stored(path)


async def come(
    page: Page, house: House, path: str = "/films/attic/play", gives: Given = Given.COMMENT
) -> None:
    """Come in by a link and go to a page."""
    await page.goto(house.share(gives))
    await page.get_by_label("Your name").fill("Kim")
    await page.get_by_role("button", name="Come in").click()
    await page.wait_for_url("**/films/attic**")
    await page.goto(f"{house.settings.public_url}{path}")


async def test_frames_play_as_an_animatic_and_a_clip_takes_its_place_when_it_lands(
    house: House, tmp_path: Path
):
    house.shot_list(3)
    await house.waiting("An attic")
    await house.waiting("A cellar", "shot_002", mood="uneasy")
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house)
        await expect(page.locator("#shot-name")).to_have_text("shot_001")
        first = page.get_by_role("img", name=re.compile("^shot_001"))
        await expect(first).to_have_attribute("src", re.compile("/media/"))
        await page.keyboard.press("Space")
        await expect(page.locator("#caption")).to_have_text("So this is where he kept it.")
        above = "parts => parts.map(part => Number(getComputedStyle(part).zIndex))"
        *layers, caption = await page.locator(".caption, .layer").evaluate_all(above)
        assert caption > max(layers)
        await page.screenshot(path=tmp_path / "play.png", full_page=True)
        await expect(page.locator("#shot-name")).to_have_text("shot_002")
        await expect(page.locator("#caption")).to_have_text("")
        await page.keyboard.press("k")
        await expect(page.get_by_role("button", name="Play")).to_be_visible()
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("#shot-state")).to_have_text("3 of 3 · nothing made yet")
        await expect(page.locator(".layer .slate")).to_contain_text("A woman opens")
        await page.screenshot(path=tmp_path / "play-card.png")
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await house.take(await clip(house), kind=Kind.VIDEO)
        await expect(page.locator("#landed")).to_have_text("1 of 3 shots have clips")
        await expect(page.locator("#shot-state")).to_have_text("1 of 3 · clip")
        video = page.locator(".layer video")
        await page.keyboard.press("l")
        await expect(page.locator("#time")).to_have_text(re.compile(r"0:00\.[4-9]|0:0[1-9]"))
        await page.keyboard.press("k")
        await page.screenshot(path=tmp_path / "play-clip.png")
        assert await serious_findings(page) == []
        shown = await video.evaluate("v => v.currentTime")
        told = float(await page.locator("#scrub").input_value())
        assert abs(shown - told) < 0.3
        assert complaints == []


async def test_scrubbing_shows_crossfades_and_captions_can_be_left_out(
    house: House, tmp_path: Path
):
    house.shot_list(3, transition={"type": "crossfade", "duration": "0.5"})
    await house.waiting("An attic")
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house)
        scrub = page.get_by_label("Time in the film")
        await expect(page.locator("#length")).to_have_text("0:08.0")
        await scrub.fill("5.2")
        await expect(page.locator("#shot-name")).to_have_text("shot_003")
        # Both shots of a crossfade are seen, the one that comes above.
        opacity = "layer => getComputedStyle(layer).opacity"
        seen = [await each.evaluate(opacity) for each in await page.locator(".layer").all()]
        assert sorted(map(float, seen)) == [0.4, 1]
        await scrub.fill("6")
        await expect(page.locator("#caption")).to_be_visible()
        await page.keyboard.press("c")
        await expect(page.locator("#caption")).to_be_hidden()
        await expect(page.get_by_role("button", name="Captions")).to_have_attribute(
            "aria-pressed", "false"
        )
        await scrub.fill("7.9")
        await page.keyboard.press(" ")
        await expect(page.get_by_role("button", name="Play")).to_be_visible()
        assert float(await scrub.input_value()) == 8
        assert complaints == []


async def test_on_a_phone_a_finger_plays_and_chooses_a_shot(house: House, tmp_path: Path):
    house.shot_list(4)
    await house.waiting("An attic")
    async with house.served(), browsing(tmp_path, **PHONE) as (page, complaints):
        await come(page, house)
        await expect(page.locator("#shot-name")).to_have_text("shot_001")
        await page.locator("#reel li").nth(2).get_by_role("link").tap()
        await expect(page.locator("#shot-name")).to_have_text("shot_003")
        await page.locator("#screen").tap()
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await page.locator("#screen").tap()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.screenshot(path=tmp_path / "play-phone.png", full_page=True)
        for button in await page.locator(".buttons button:visible").all():
            box = await button.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 44
        assert complaints == []


async def test_a_line_is_heard_in_its_voice_unless_the_sound_is_off(house: House, tmp_path: Path):
    house.shot_list(1)
    path = house.folder / "voice.wav"
    await run_ffmpeg(["-f", "lavfi", "-i", "sine=d=1.5", str(path)], 60)
    voice = await house.stored(path)
    await house.take(voice, kind=Kind.AUDIO, duration_s=1.5)
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house)
        await expect(page.locator("#shot-name")).to_have_text("shot_001")
        async with page.expect_response(f"**/media/{voice}") as asked:
            await page.keyboard.press("Space")
        assert (await asked.value).status in (200, 206)
        await expect(page.locator("#caption")).to_have_text("So this is where he kept it.")
        await expect(page.locator("#caption")).to_have_text("")
        await page.keyboard.press("m")
        await expect(page.get_by_role("button", name="Sound")).to_have_attribute(
            "aria-pressed", "false"
        )
        await expect(page.locator("#trouble")).to_be_hidden()
        assert complaints == []
