"""What a page keeps in its browser, for the next visit."""

from typing import Literal

from playwright.async_api import Page

WORKER = "navigator.serviceWorker.ready.then(() => undefined)"
LOOK = """([store, text]) => new Promise((resolve) => {
  const opening = indexedDB.open('parley-' + JSON.parse(localStorage.getItem('parley-user')).id);
  opening.onsuccess = () => {
    const look = () => {
      const asked = opening.result.transaction(store).objectStore(store).getAll();
      asked.onsuccess = () => {
        if (!JSON.stringify(asked.result).includes(text)) return setTimeout(look, 20);
        opening.result.close();
        resolve();
      };
    };
    look();
  };
})"""


async def until_worker(page: Page) -> None:
    """Wait until the browser keeps the client itself."""
    await page.evaluate(WORKER)


async def until_kept(page: Page, text: str, store: Literal["cache", "tails"] = "tails") -> None:
    """Wait until the browser keeps the client, and a text: of a message, or (`cache`) of what is known of chats."""
    await until_worker(page)
    await page.evaluate(LOOK, [store, text])
