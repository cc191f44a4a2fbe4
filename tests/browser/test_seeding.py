"""What is seeded is what the product would have stored: it reads it, and goes on with it."""

from tests.support.browser.people import People
from tests.support.browser.seeding import seed_conversation


async def test_a_long_conversation_is_there_and_goes_on(people: People) -> None:
    ann, ben = await people.register("ann"), await people.register("ben")
    conversation = await seed_conversation(ann, ben, 20_000, unread=40)
    (item,) = (await ann.http.get("/api/v1/conversations")).json()["items"]
    assert item["last_message"]["content"] == "message 20000"
    assert (item["conversation_id"], item["last_seq"], item["rev"]) == (conversation, 20_000, 20_000)
    assert item["first_unread_seq"] == 19_961
    stored = await ben.send(ann, "and on it goes")
    assert (stored["seq"], stored["rev"]) == (20_001, 20_001)
    page = (await ann.http.get(f"/messages/history/{ben.username}/")).json()
    assert [message["seq"] for message in page["messages"]] == list(range(19_952, 20_002))
