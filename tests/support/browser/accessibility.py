"""Judges a page with axe-core."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.support.browser.pictures import at_rest

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


async def axe(page: Page) -> None:
    """Fail where the page, as it is now, breaks a rule of WCAG 2.2 A or AA or a best practice."""
    await at_rest(page)
    found = await Axe().run(page, options={"runOnly": list(RULES), "resultTypes": ["violations"]})
    violations = found.response["violations"]
    assert not violations, "\n".join(("axe found:", *(_told(violation) for violation in violations)))


def _told(violation: dict[str, object]) -> str:
    nodes = violation["nodes"]
    assert isinstance(nodes, list)
    places = (f"    {node['html'][:200]}\n      {node['failureSummary'].replace(chr(10), ' ')}" for node in nodes[:5])
    head = f"  {violation['id']} ({violation['impact']}), {len(nodes)} times: {violation['help']}"
    return "\n".join((head, f"    {violation['helpUrl']}", *places))
