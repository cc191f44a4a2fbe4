"""Reads histories over HTTP, page by page, and writes down what was read."""

import secrets
import time

from deploy.verify.deployment import Account, Deployment
from deploy.verify.history import Final, History, Queue, Read, Row, Waits, digest
from deploy.verify.wire import Frame

PAGE = 200


async def read_page(
    deployment: Deployment,
    reader: Account,
    peer: str,
    history: History,
    *,
    before: str | None = None,
    walk: str | None = None,
    page_size: int = PAGE,
) -> Frame:
    """Read one page, the newest or the one before a message, and record it.

    Raises:
        httpx.HTTPError: the deployment did not answer with a page.
    """
    begun = time.monotonic()
    query: dict[str, str | int] = {"page_size": page_size}
    if before is not None:
        query["before"] = before
    response = await deployment.http.get(f"/messages/history/{peer}/", params=query, headers=reader.headers)
    response.raise_for_status()
    page: Frame = response.json()
    if page["messages"]:
        history.record(
            Read(
                user=reader.username,
                conversation_id=page["conversation_id"],
                begun=begun,
                rows=_rows(page),
                has_more=page["has_more"],
                newest=before is None,
                walk=walk,
            )
        )
    return page


async def read_whole(deployment: Deployment, reader: Account, peer: str, history: History) -> Final | None:
    """Walk the whole conversation with `peer` backwards and record it as final.

    Returns None where there is no conversation.
    """
    walk = secrets.token_hex(4)
    newest = page = await read_page(deployment, reader, peer, history, walk=walk)
    if not page["messages"]:
        return None
    rows = _rows(page)
    while page["has_more"]:
        before = page["messages"][0]["message_id"]
        page = await read_page(deployment, reader, peer, history, before=before, walk=walk)
        if not page["messages"]:
            break
        rows = _rows(page) + rows
    final = Final(
        user=reader.username,
        conversation_id=newest["conversation_id"],
        rows=rows,
        peer=peer,
        peer_delivered_seq=newest["peer"]["delivered_seq"],
        peer_read_seq=newest["peer"]["read_seq"],
    )
    history.record(final)
    return final


async def read_queue(deployment: Deployment, sender: Account, history: History) -> Queue:
    """Read all that is said to wait for others, and record it.

    Raises:
        httpx.HTTPError: the deployment did not answer with a page.
    """
    begun = time.monotonic()
    items: list[Waits] = []
    url: str | None = "/api/v1/queue"
    while url is not None:
        response = await deployment.http.get(url, headers=sender.headers)
        response.raise_for_status()
        items += [
            Waits(item["message_id"], item["conversation_id"], item["to"], item["seq"], item["status"])
            for item in response.json()["items"]
        ]
        url = response.links.get("next", {}).get("url")
    queue = Queue(user=sender.username, begun=begun, items=tuple(items))
    history.record(queue)
    return queue


def _rows(page: Frame) -> tuple[Row, ...]:
    return tuple(
        Row(
            message["seq"],
            message["message_id"],
            message["sender"],
            digest(message["content"]),
        )
        for message in page["messages"]
    )
