"""What is to be done after secrets were made anew, in this order: who must hear of it, and how."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from deploy.cli.secret_files import KEYS, USERS

_SERVICES: Final = ("delivery", "history", "presence", "gateway")
_WITH_DATABASE: Final = ("delivery", "history", "gateway")


class Step(NamedTuple):
    """Something to do, and the commands that do it where Compose runs the system."""

    what: str
    command: str = ""


_BROKER: Final = Step(
    "have the broker read its config again, in a cluster every node at once (SIGHUP). Connections with keys that "
    "count no more are shut out: those services finish what they have and end",
    "docker compose kill -s HUP nats\ndocker compose kill -s HUP nats-2 nats-3   # in a cluster",
)
_DATABASE: Final = Step(
    "tell the database its new password; connections that stand stay",
    r"""printf '%s\n' '\set p `cat /run/secrets/postgres_password`' "ALTER ROLE parley PASSWORD :'p';" | """
    "\\\n  docker compose exec -T postgres psql -U parley -d parley",
)
_CLUSTER: Final = Step(
    "have the broker's nodes read their config again, all of them (SIGHUP); routes that stand stay",
    "docker compose kill -s HUP nats nats-2 nats-3",
)
_GRAFANA: Final = Step(
    "tell Grafana its new password",
    "docker compose exec grafana \\\n"
    "  sh -c 'grafana cli admin reset-admin-password \"$(cat /run/secrets/grafana_password)\"'",
)


def steps_after(names: Sequence[str]) -> list[Step]:
    """Say what to do after these were made anew; `nats_users.conf` for the broker's users alone."""
    steps = [_DATABASE] if "postgres" in names else []  # first: who is started anew has the new one already
    services = {KEYS[name] for name in names if name in KEYS}
    if services or USERS in names:
        steps.append(_BROKER)
    ended = [service for service in _SERVICES if service in services]
    if ended:
        steps.append(
            Step(
                f"see that {_listed(ended)} came back with the new key (Compose starts anew what ends; start it "
                "yourself where nothing does)",
                f"docker compose up -d --wait {' '.join(ended)}",
            )
        )
    restarted = [each for each in _WITH_DATABASE if "postgres" in names and each not in ended]
    if restarted:
        steps.append(Step(f"restart {_listed(restarted)}", f"docker compose restart {' '.join(restarted)}"))
    if "nats_cluster" in names and _BROKER not in steps:
        steps.append(_CLUSTER)
    if "grafana" in names:
        steps.append(_GRAFANA)
    if not steps:
        return steps
    if services == {"operator"} and len(names) == 1:
        return [*steps, Step("nothing is to be restarted: commands read the operator's key when they start")]
    return [*steps, Step("see that all is well", "docker compose run --rm cli doctor")]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
