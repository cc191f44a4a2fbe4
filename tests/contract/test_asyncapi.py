"""The document of the broker's side: complete, sound, and the one in the docs."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from shared.broker.asyncapi import document
from shared.contracts import subjects
from shared.contracts.subjects import Query, Subject

PUBLISHED = Path(__file__).parents[2] / "docs" / "asyncapi.json"


def test_the_published_document_is_the_one_of_the_code() -> None:
    assert PUBLISHED.read_text() == document(version("parley")), "write it anew: parley asyncapi > docs/asyncapi.json"


def test_every_subject_and_every_reply_is_described() -> None:
    channels = json.loads(document("1"))["channels"]
    addresses = {channel["address"] for channel in channels.values()}
    constants = {str(value) for value in vars(subjects).values() if isinstance(value, Subject | Query)}
    assert constants <= addresses
    assert {"chat.p.{partition}", "chat.ev.{shard}", "chat.re.{gateway}", "presence.user.{user}"} <= addresses
    assert sum(name.endswith("_reply") for name in channels) == sum(
        isinstance(value, Query) for value in vars(subjects).values()
    )


def test_every_reference_leads_somewhere() -> None:
    text = document("1")
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found: Any = json.loads(text)
        for part in reference.split("/"):
            found = found[unquote(part).replace("~1", "/")]
