"""The broker's side as an AsyncAPI document: made of the subjects and their types alone, so that it can't lag behind.

FastStream writes it, as if one application served and published everything; services come and go in it unnamed.
"""

import inspect
import json
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from pydantic import TypeAdapter

from shared.contracts import subjects
from shared.contracts.commands import MoveCursor, Origin, SendMessage, SetBlock
from shared.contracts.subjects import Query, Subject

_REPLY: Final = "Reply to "
_MSGPACK: Final = "application/msgpack"
_LISTED: Final = "Many at once: a MessagePack list, each of them an array in the order of its fields."
_BUNDLE: Final = (
    "The log, in JetStream: a bundle, which is a MessagePack list of (kind, origin, command), each an array in the"
    " order of its fields. It is applied in one transaction; what stands behind it is in the architecture page."
)


class _Channel(NamedTuple):
    name: str
    address: str
    payload: Any
    reply: Any = None


def document(version: str) -> str:
    """Write the document as JSON, with line breaks and in a stable order."""
    broker = NatsBroker()
    channels = list(_channels())
    for channel in channels:
        _describe(broker, channel)
    written = AsyncAPI(
        broker,
        title="Parley, behind the gateway",
        version=version,
        description="What the services say to each other over NATS. Clients speak the protocol, to the gateway alone.",
    )
    found: dict[str, Any] = json.loads(written.to_specification().to_json())
    del found["servers"]  # where the broker is, the operator says
    for described in found["channels"].values():
        del described["servers"]
    for channel in channels:
        if channel.reply is not None:
            _turn_into_reply(found, channel.name)
        if typing.get_origin(channel.reply):
            _put_schema(found, f"{channel.name}_reply", channel.reply)
        if typing.get_origin(channel.payload) is list:
            _message(found, channel.name)["contentType"] = _MSGPACK
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _channels() -> Iterator[_Channel]:
    """Find every subject of the contracts, with what it carries."""
    yield _Channel("log", subjects.log(0).replace("0", "{partition}"), list[_Bundled])
    for name, value in vars(subjects).items():
        if isinstance(value, Query):
            question, reply = value.__orig_class__.__args__  # type: ignore[attr-defined] # set by typing
            yield _Channel(name.lower(), str(value), question, reply)
        elif isinstance(value, Subject):
            yield _Channel(name.lower(), str(value), value.__orig_class__.__args__[0])  # type: ignore[attr-defined]
        elif inspect.isfunction(value) and typing.get_origin(_returned(value)) is Subject:
            parameters = [f"{{{parameter}}}" for parameter in inspect.signature(value).parameters]
            yield _Channel(name, str(value(*parameters)), _returned(value).__args__[0])


_Bundled = tuple[str, Origin, SendMessage | MoveCursor | SetBlock]


def _returned(function: Callable[..., Any]) -> Any:
    return typing.get_type_hints(function).get("return")


def _describe(broker: NatsBroker, channel: _Channel) -> None:
    said = inspect.getdoc(channel.payload) if inspect.isclass(channel.payload) else _LISTED
    broker.publisher(
        channel.address,
        title=channel.name,
        schema=channel.payload,
        description=_BUNDLE if channel.name == "log" else said,
    )
    if channel.reply is not None:
        # FastStream gets lost in generic types: theirs is put in afterwards
        schema = dict[str, Any] if typing.get_origin(channel.reply) else channel.reply
        broker.publisher(f"{_REPLY}{channel.address}", title=f"{channel.name}_reply", schema=schema)


def _turn_into_reply(found: dict[str, Any], name: str) -> None:
    """Make the second channel of a query what it is: the reply to the first, wherever that asks it to be sent."""
    reply = f"{name}_reply"
    del found["operations"][reply]
    found["channels"][reply]["address"] = None
    found["channels"][reply].pop("bindings", None)
    found["operations"][name]["reply"] = {
        "address": {"location": "$message.header#/reply_to"},
        "channel": {"$ref": f"#/channels/{reply}"},
    }


def _message(found: dict[str, Any], channel: str) -> dict[str, Any]:
    """Find the message of a channel, which has one."""
    (reference,) = found["channels"][channel]["messages"].values()
    message: dict[str, Any] = found["components"]["messages"][reference["$ref"].rpartition("/")[2]]
    return message


def _put_schema(found: dict[str, Any], channel: str, kind: Any) -> None:
    """Give a message the schema of a type, and the document the schemas that it refers to."""
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    found["components"]["schemas"].update(schema.pop("$defs", {}))
    message = _message(found, channel)
    found["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]] = schema
