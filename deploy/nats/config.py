"""The parts of the broker's config that belong to one installation: who may connect, and how nodes trust each other."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from deploy.nats.permissions import PERMISSIONS, Permissions, Role

ANSWER_WITHIN: Final = "1m"
"""How long after a question its answer may be given; longer than anybody waits for one."""
ROUTE_PORT: Final = 6222


def users(public_keys: Mapping[Role, str]) -> str:
    """Write the users of the broker: a public key for each role, and what it may do. There is nobody else."""
    blocks = "\n".join(_user(role, public_keys[role], PERMISSIONS[role]) for role in PERMISSIONS)
    return (
        "# Made by `parley init`: who may connect, each with a key of its own; nobody without one.\n"
        "# Written anew by `parley init --refresh`; the broker reads it again on SIGHUP.\n"
        f"authorization {{\n    users: [\n{blocks}\n    ]\n}}\n"
    )


def cluster(user: str, password: str, nodes: Sequence[str]) -> str:
    """Write whom the nodes of a cluster take routes from, and where they are: to be included into `cluster`."""
    routes = "\n".join(f'    "nats-route://{user}:{password}@{node}:{ROUTE_PORT}"' for node in nodes)
    return (
        "# Made by `parley init`: a secret. How the nodes of the broker's cluster know each other.\n"
        f'authorization {{\n    user: "{user}"\n    password: "{password}"\n    timeout: 5\n}}\n'
        f"routes: [\n{routes}\n]\n"
    )


def _user(role: Role, public_key: str, permissions: Permissions) -> str:
    publish = [f"allow: {_list(permissions.publishes)}"]
    if permissions.never_publishes:
        publish.append(f"deny: {_list(permissions.never_publishes)}")
    lines = [
        f"publish: {{ {', '.join(publish)} }}",
        f"subscribe: {{ allow: {_list(permissions.hears)} }}",
    ]
    if permissions.answers:
        lines.append(f'allow_responses: {{ max: 1, expires: "{ANSWER_WITHIN}" }}')
    indented = "\n".join(f"                {line}" for line in lines)
    return (
        f"        {{   # {role}\n"
        f"            nkey: {public_key}\n"
        f"            permissions {{\n{indented}\n            }}\n"
        "        }"
    )


def _list(subjects: Sequence[str]) -> str:
    return json.dumps(list(subjects))
