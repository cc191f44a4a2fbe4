"""What can be done to the line between a browser and the gateway, seen from a page."""

import pytest
import pytest_asyncio
from playwright.async_api import Error as PlaywrightError

from tests.support.browser.people import People, Person

OPEN_SOCKET = """() => new Promise((resolve) => {
  window.socket = new WebSocket('/ws', 'parley.v1.json');
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('refused');
})"""
HELLO = """() => new Promise((resolve) => {
  socket.onmessage = (event) => resolve(JSON.parse(event.data).type);
  socket.onclose = () => resolve('closed');
  socket.send(JSON.stringify({ type: 'hello', v: 1, device_id: 'line' }));
  setTimeout(() => resolve('silence'), 1000);
})"""
IS_CLOSED = "socket.readyState === WebSocket.CLOSED"
ASK = "() => fetch('/health/live', { signal: AbortSignal.timeout(1000) }).then((a) => a.status, (e) => e.name)"


@pytest_asyncio.fixture(loop_scope="session")
async def ann(people: People) -> Person:
    """Somebody who gets by with a bad network, at a page that does nothing by itself."""
    ann = await people.join("ann", "/schema")
    ann.may_lose_network()
    return ann


async def test_a_line_carries_requests_and_sockets(ann: Person) -> None:
    assert await ann.page.evaluate(ASK) == 200
    assert await ann.page.evaluate(OPEN_SOCKET) == "open"
    assert await ann.page.evaluate(HELLO) == "welcome"


async def test_a_cut_line_ends_sockets_and_works_again_when_restored(ann: Person) -> None:
    await ann.page.evaluate(OPEN_SOCKET)
    ann.line.cut()
    await ann.page.wait_for_function(IS_CLOSED)
    assert await ann.page.evaluate(ASK) == "TypeError"
    assert await ann.page.evaluate(OPEN_SOCKET) == "refused"
    ann.line.restore()
    assert await ann.page.evaluate(ASK) == 200


async def test_a_stalled_line_keeps_sockets_open_and_silent_for_good(ann: Person) -> None:
    await ann.page.evaluate(OPEN_SOCKET)
    ann.line.stall()
    assert await ann.page.evaluate(HELLO) == "silence"
    assert await ann.page.evaluate(ASK) == "TimeoutError"
    ann.line.restore()
    assert await ann.page.evaluate("socket.readyState") == 1
    assert await ann.page.evaluate(HELLO) == "silence"
    assert await ann.page.evaluate(ASK) == 200


async def test_a_slow_line_holds_what_it_carries(ann: Person) -> None:
    ann.line.slow_down(0.2)
    took_ms = await ann.page.evaluate(
        "async () => { const t = performance.now(); await fetch('/health/live'); return performance.now() - t }"
    )
    assert took_ms >= 400


async def test_a_line_without_sockets_still_carries_requests(ann: Person) -> None:
    await ann.page.evaluate(OPEN_SOCKET)
    ann.line.refuse_sockets()
    await ann.page.wait_for_function(IS_CLOSED)
    assert await ann.page.evaluate(OPEN_SOCKET) == "refused"
    assert await ann.page.evaluate(ASK) == 200


async def test_a_browser_that_is_told_to_be_offline_reaches_nothing(ann: Person) -> None:
    await ann.device.context.set_offline(offline=True)
    assert await ann.page.evaluate("navigator.onLine") is False
    assert await ann.page.evaluate(ASK) == "TypeError"
    with pytest.raises(PlaywrightError, match="ERR_INTERNET_DISCONNECTED"):
        await ann.page.goto("/health/live")
