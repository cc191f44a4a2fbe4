"""Whatever a page complains about fails its test."""

import asyncio

import pytest
import pytest_asyncio

from tests.support.browser.people import People, Person

FAULTS = {
    "console.warn('a warning')": "console warning: a warning",
    "console.error('an error')": "console error: an error",
    "throw new Error('thrown')": "uncaught: Error: thrown",
    "void Promise.reject(new Error('rejected'))": "uncaught: Error: rejected",
    "fetch('http://localhost:1/').catch(() => 0)": "Policy violation: connect-src http://localhost:1/",
    "new Image().src = 'https://a.example/'": "asked another origin: https://a.example/",
    "document.body.innerHTML = '<b>bold</b>'": "Policy violation: require-trusted-types-for",
    "eval('1')": "Policy violation: require-trusted-types-for",
    "document.body.setAttribute('style', 'color: red')": "Policy violation: style-src-attr inline",
}
WORKER_FAULTS = {
    "console.error('an error')": "console error: an error",
    "throw new Error('thrown')": "uncaught in the service worker: Uncaught Error: thrown",
    "void Promise.reject(new Error('rejected'))": "rejected in the service worker: Error: rejected",
    "fetch('https://a.example/').catch(() => 0)": "Policy violation: connect-src https://a.example/",
}


@pytest_asyncio.fixture(loop_scope="session")
async def ann(people: People) -> Person:
    """Somebody at a page that does nothing by itself."""
    return await people.join("ann", "/schema")


@pytest.mark.parametrize(("script", "complaint"), FAULTS.items())
async def test_what_goes_wrong_in_a_page_is_noticed(ann: Person, people: People, script: str, complaint: str) -> None:
    await ann.page.evaluate(f"void setTimeout(() => {{ {script} }})")
    await expect_complaint(people, complaint)


@pytest.mark.parametrize(("script", "complaint"), WORKER_FAULTS.items())
async def test_what_goes_wrong_in_a_service_worker_is_noticed(people: People, script: str, complaint: str) -> None:
    ann = await people.join("ann")
    await ann.page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    (worker,) = ann.device.context.service_workers
    await worker.evaluate(f"void setTimeout(() => {{ {script} }})")
    await expect_complaint(people, complaint)


async def test_a_lost_network_is_a_complaint_unless_the_test_expects_it(ann: Person, people: People) -> None:
    ann.line.cut()
    await ann.page.evaluate("fetch('/health/live').catch(() => 0)")
    assert "net::ERR_" in "".join(await people.complaints())
    ann.may_lose_network()
    assert await people.complaints() == []


async def test_a_refusal_is_a_complaint_unless_the_test_expects_it(ann: Person, people: People) -> None:
    await ann.page.evaluate("fetch('/api/v1/users/nobody-here').then(() => 0)")
    assert "status of 404" in "".join(await people.complaints())
    ann.may_be_refused(404)
    assert await people.complaints() == []


async def expect_complaint(people: People, complaint: str) -> None:
    """Wait for a complaint of whoever is alone in the test, and accept all that came of it."""
    (person,) = people.all
    async with asyncio.timeout(5):
        while not any(complaint in text for text in await people.complaints()):
            await person.page.wait_for_timeout(20)
    person.allow(".")
    assert await people.complaints() == []
