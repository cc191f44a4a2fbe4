"""A site of the test's own may be killed and stopped, and comes back with what it knew."""

import pytest

from tests.support.browser.people import People

ASK = "() => fetch('/api/v1/me').then((answer) => answer.status, () => 'nobody answers')"


@pytest.mark.own_site(PARLEY_LIMIT_CONTENT_CHARS="10")
async def test_a_killed_gateway_and_a_stopped_product_come_back(people: People) -> None:
    site = people.site
    ann, ben = await people.join("ann", "/schema"), await people.register("ben")
    ann.may_lose_network()
    assert await ann.page.evaluate(ASK) == 200
    await site.kill("gateway")
    await site.ready()
    assert await ann.page.evaluate(ASK) == 200
    await site.stop()
    assert await ann.page.evaluate(ASK) == "nobody answers"
    await site.start()
    assert await ann.page.evaluate(ASK) == 200
    refused = await ann.http.post(f"/messages/send/{ben.username}/", json={"content": "eleven char"})
    assert refused.status_code == 413
