"""What axe-core, the checker of accessibility, finds on a page."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

GRAVE = ("serious", "critical")


async def serious_findings(page: Page) -> list[str]:
    """What keeps people from using the page as it is now: rule, element and remedy.

    The checker is evaluated, and not loaded: the policy of our pages lets no script in.
    """
    await page.evaluate(AXE_SCRIPT + "; undefined")
    told = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} ({node['failureSummary']})"
        for rule in told["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]
