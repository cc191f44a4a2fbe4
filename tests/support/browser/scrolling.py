"""What a list of messages looks like to the eye: where its rows are, and how far they move."""

from dataclasses import dataclass

from playwright.async_api import Page

ROWS = """() => {
  const scroller = document.querySelector('[role=log]');
  const { top, height } = scroller.getBoundingClientRect();
  const rows = [];
  for (const row of scroller.querySelectorAll('[data-seq]')) {
    const box = row.getBoundingClientRect();
    if (box.bottom > top && box.top < top + height) rows.push([Number(row.dataset.seq), box.top - top]);
  }
  return rows;
}"""
SETTLED = """() => new Promise((resolve) => {
  const scroller = document.querySelector('[role=log]');
  let still = 0, last = '';
  const look = () => {
    const now = [scroller.scrollTop, scroller.scrollHeight, scroller.ariaBusy].join();
    still = now === last && scroller.ariaBusy === 'false' ? still + 1 : 0;
    last = now;
    still > 20 ? resolve() : requestAnimationFrame(look);
  };
  look();
})"""


@dataclass(frozen=True)
class View:
    """The rows on the screen: px from the top of the list, by `seq`."""

    tops: dict[int, float]

    @property
    def first(self) -> int:
        """The message at the top."""
        return min(self.tops)

    @property
    def last(self) -> int:
        """The message at the bottom."""
        return max(self.tops)

    def drift(self, later: "View") -> float:
        """How many px the rows moved that are on the screen both times."""
        both = self.tops.keys() & later.tops.keys()
        assert both, f"nothing of {self.first}-{self.last} is left in {later.first}-{later.last}"
        return max(abs(self.tops[seq] - later.tops[seq]) for seq in both)


async def view(page: Page) -> View:
    """Look at the list as it is now."""
    return View(dict(await page.evaluate(ROWS)))


async def settled(page: Page) -> View:
    """Look at the list once nothing is loaded any more and nothing moves."""
    await page.evaluate(SETTLED)
    return await view(page)


async def scroll_to(page: Page, top: float) -> View:
    """Put the list at `top` px of what is loaded, in one go; look at it before anything more is loaded."""
    return View(
        dict(
            await page.evaluate(
                f"""(top) => {{
                  document.querySelector('[role=log]').scrollTop = top;
                  return new Promise((resolve) => requestAnimationFrame(() => resolve(({ROWS})())));
                }}""",
                top,
            )
        )
    )


async def below(page: Page) -> float:
    """How many px are hidden below."""
    px: float = await page.evaluate(
        "(() => { const s = document.querySelector('[role=log]');"
        " return s.scrollHeight - s.scrollTop - s.clientHeight; })()"
    )
    return px


async def rows_in_page(page: Page) -> int:
    """How many messages are in the DOM."""
    return await page.locator("[role=log] [data-seq]").count()
