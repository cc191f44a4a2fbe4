"""Looks at an open conversation all the time, for what is wrong if only for a moment.

The messages it looks at end in a number that grows with each message of its author: "ann 007".
"""

from collections.abc import Sequence

from playwright.async_api import Locator, Page, expect

LOOK = r"""() => {
  const log = document.querySelector('[role=log]');
  const witness = { faults: [], seen: {} };
  let before = [];
  const look = () => {
    const shown = [...log.querySelectorAll('.bubble-text')].map((row) => row.textContent);
    if (shown.join() === before.join()) return;
    const last = {};
    for (const text of shown) {
      const [author, number] = text.split(' ');
      if (Number(number) <= (last[author] ?? 0)) witness.faults.push(`doubled or out of order: ${shown.join(', ')}`);
      last[author] = Number(number);
      witness.seen[text] = true;
    }
    const lost = before.slice(before.indexOf(shown[0])).filter((text) => !shown.includes(text));
    if (lost.length > 0) witness.faults.push(`gone: ${lost.join(', ')}; left: ${shown.join(', ')}`);
    before = shown;
  };
  look();
  new MutationObserver(look).observe(log, { childList: true, characterData: true, subtree: true });
  window.witness = witness;
}"""


def bubbles(page: Page) -> Locator:
    """The texts of the messages in the open conversation."""
    return page.get_by_role("log").locator(".bubble-text")


def numbered(author: str, *numbers: int) -> list[str]:
    """The texts of messages of an author, as a witness understands them."""
    return [f"{author} {number:03}" for number in numbers]


async def watch_order(page: Page) -> None:
    """Look at the conversation that is open now, as long as it is."""
    await expect(page.get_by_role("log")).to_be_visible()
    await page.evaluate(LOOK)


async def expect_in_order(page: Page, texts: Sequence[str]) -> None:
    """Wait until exactly these messages are shown; none may have been shown twice, out of order, or taken back."""
    await expect(bubbles(page)).to_have_text(list(texts), timeout=30_000)
    faults = await page.evaluate("window.witness.faults")
    assert faults == [], "\n".join(faults)


async def expect_seen(page: Page, texts: Sequence[str]) -> None:
    """These and no others were on the page at some time, never doubled or out of order."""
    assert await page.evaluate("Object.keys(window.witness.seen)") == list(texts)
    faults = await page.evaluate("window.witness.faults")
    assert faults == [], "\n".join(faults)
