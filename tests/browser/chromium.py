"""A real browser for tests."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs chromium on this machine"),
]


@asynccontextmanager
async def browsing(folder: Path, **options: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page of a fresh browser, with everything it complains about."""
    async with async_playwright() as tools:
        context: BrowserContext = await tools.chromium.launch_persistent_context(
            folder / "profile", executable_path=CHROMIUM, args=[*ARGUMENTS], **options
        )
        page = context.pages[0]
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield page, complaints
        finally:
            await context.close()
