"""What the document of the HTTP side promises holds for every request that fits it, and for those that don't."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.processes import Product

ENDS_THE_SIGN_IN = r"/api/v1/(auth/.*|sessions/\{.*|me/password)"
"""What would take the token away that the other requests are made with; tested by themselves."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product without rate limits: what is tried here comes faster than any person."""
    with Product(tmp_path_factory.mktemp("openapi"), environ={"PARLEY_RATE_LIMITS": "off"}) as running:
        yield running


@dataclass(frozen=True)
class Caller:
    """Who calls: a bearer token, and what of the paths leads to something that is there."""

    token: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def caller(unlimited: Product) -> Caller:
    """A user who has written to somebody."""
    person = {"username": "olga", "password": "correct horse battery"}
    with httpx.Client(base_url=unlimited.url, trust_env=False) as client:
        client.post("/api/v1/auth/register", json={**person, "username": "peer"}).raise_for_status()
        client.cookies.clear()
        client.post("/api/v1/auth/register", json=person).raise_for_status()
        client.cookies.clear()
        answer = client.post("/api/v1/auth/tokens", json=person).raise_for_status()
        secret = str(answer.json()["token"])
        bearer = {"Authorization": f"Bearer {secret}"}
        sent = client.post("/messages/send/peer/", json={"content": "hello"}, headers=bearer).raise_for_status().json()
    known = {"username": "peer", **{name: sent[name] for name in ("conversation_id", "message_id")}}
    return Caller(secret, known)


@pytest.fixture(scope="module")
def api(unlimited: Product) -> Any:
    """The document, as the gateway serves it."""
    return schemathesis.openapi.from_url(f"{unlimited.url}/schema/openapi.json").exclude(path_regex=ENDS_THE_SIGN_IN)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does_not_fit"])
def test_every_answer_is_one_that_the_document_names(api: Any, caller: Caller, mode: GenerationMode) -> None:
    wrong: list[str] = []
    tried = 0
    for found in api.get_all_operations():
        operation = found.ok()
        try:
            _try(operation, caller, mode)
        except (AssertionError, FailureGroup, Failure) as failure:
            wrong.append(f"{operation.label}: {failure}")
        except hypothesis.errors.Unsatisfiable:
            continue  # nothing can be wrong about a request without any parameter
        tried += 1
    assert tried > 10
    assert not wrong, "\n\n".join(wrong)


def _try(operation: Any, caller: Caller, mode: GenerationMode) -> None:
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def attempt(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:  # what is drawn leads nowhere
            case.path_parameters.update(
                {name: caller.known[name] for name in caller.known if name in case.path_parameters}
            )
        case.call_and_validate(headers={"Authorization": f"Bearer {caller.token}"}, checks=CHECKS, timeout=40)

    attempt()
