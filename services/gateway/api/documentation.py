"""The OpenAPI document of the endpoints, and a page made of it that anybody can read without a script."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.di import Provide
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag

from services.gateway.api.html import Markup, element, joined, page

Document = dict[str, Any]

_SUMMARY: Final = "Every endpoint of the gateway. Errors are problem documents (RFC 9457); see /problems/<code>."
_of_module = re.compile(r"_services\.[\w.]+_(?=\")")
"""What Litestar adds to the name of a generic shape, to tell apart what we never mix."""
_TAGS: Final = ("accounts", "people", "conversations", "messages", "history", "progress", "queue", "sync", "service")
_PLAIN: Final = {"type": "object"}


def described(
    endpoints: Sequence[Router | HTTPRouteHandler],
    dependencies: Mapping[str, Provide],
    request_class: type[Request[Any, Any, Any]],
) -> Document:
    """Make the OpenAPI document (3.1) of endpoints, by an application that serves nothing."""
    config = OpenAPIConfig(
        title="Parley",
        version="1",
        summary=_SUMMARY,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="From POST /api/v1/auth/tokens."),
                "session": SecurityScheme(
                    type="apiKey",
                    name="session",
                    security_scheme_in="cookie",
                    description="From register or login; writes also need the header x-csrftoken.",
                ),
            }
        ),
        security=[{"bearer": []}, {"session": []}],
        tags=[Tag(name=name) for name in _TAGS],
    )
    app = Litestar(
        list(endpoints),
        dependencies=dict(dependencies),
        request_class=request_class,
        openapi_config=config,
        logging_config=None,
    )
    written = msgspec.json.encode(app.openapi_schema.to_schema()).decode()
    document: Document = msgspec.json.decode(_of_module.sub("", written))
    document["paths"] |= _service_paths()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["summary"] = operation["description"]
        if path.startswith(("/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/tokens", "/problems")):
            for operation in operations.values():
                operation["security"] = []
    return document


def documentation_handlers(document: Document) -> list[HTTPRouteHandler]:
    """Serve the document and the page; both are written once."""
    as_json, as_html = msgspec.json.encode(document), render(document)

    @get("/schema/openapi.json", sync_to_thread=False, include_in_schema=False)
    def openapi_document() -> Response[bytes]:
        """Serve the OpenAPI document."""
        return Response(as_json, media_type=MediaType.JSON)

    @get("/schema", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
    def documentation() -> str:
        """Serve the page."""
        return as_html

    return [openapi_document, documentation]


def render(document: Document) -> str:
    """Write an OpenAPI document as a page."""
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    by_tag: dict[str, list[Markup]] = {}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["service"])[0]
            by_tag.setdefault(tag, []).append(_operation(method, path, operation))
    info = document["info"]
    return page(
        "HTTP interface",
        element("h1", f"{info['title']}: the HTTP interface"),
        element("p", info.get("summary", "")),
        element("p", "For programs: ", element("a", "openapi.json", href="/schema/openapi.json"), class_="soft"),
        *(joined(element("h2", tag), *written) for tag, written in by_tag.items()),
        element("h2", "Shapes"),
        *(_shape(name, schema) for name, schema in sorted(schemas.items())),
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Markup:
    parts: list[Markup] = [element("p", operation.get("description") or operation.get("summary") or "")]
    parameters = operation.get("parameters") or []
    if parameters:
        rows = [
            _row(
                element("code", each["name"]),
                each["in"],
                _type_of(each.get("schema", {})),
                each.get("description", "") or "",
            )
            for each in parameters
        ]
        parts += [element("h3", "Parameters"), element("table", element("tbody", *rows))]
    for media in (operation.get("requestBody") or {}).get("content", {}).values():
        parts += [element("h3", "Body"), element("p", _type_of(media.get("schema", {})))]
    rows = []
    for status, response in sorted((operation.get("responses") or {}).items()):
        shapes = [_type_of(media.get("schema", {})) for media in (response.get("content") or {}).values()]
        rows.append(_row(status, response.get("description", ""), joined(*shapes)))
    parts += [element("h3", "Answers"), element("table", element("tbody", *rows))]
    head = element("summary", element("span", method.upper(), class_="method"), element("code", path))
    return element("details", head, *parts)


def _row(*cells: str) -> Markup:
    return element("tr", *(element("td", cell) for cell in cells))


def _shape(name: str, schema: Mapping[str, Any]) -> Markup:
    required = set(schema.get("required") or ())
    rows = [
        _row(
            element("code", field),
            _type_of(described_field),
            "required" if field in required else "",
            described_field.get("description", "") or "",
        )
        for field, described_field in (schema.get("properties") or {}).items()
    ]
    head = element("summary", element("code", name))
    about = element("p", schema.get("description", "") or "")
    return element("details", head, about, element("table", element("tbody", *rows)), id=f"shape-{name}")


def _type_of(schema: Mapping[str, Any]) -> Markup:
    """Say a schema in a few words; shapes with a name are linked."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return element("a", name, href=f"#shape-{name}")
    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if alternatives:
        written: list[str] = [_type_of(alternatives[0])]
        for other in alternatives[1:]:
            written += [" or ", _type_of(other)]
        return joined(*written)
    if "enum" in schema or "const" in schema:
        return joined(" or ".join(map(str, schema.get("enum") or [schema["const"]])))
    kind = schema.get("type", "anything")
    inner = schema.get("items") if kind == "array" else schema.get("additionalProperties")
    if isinstance(inner, Mapping):
        return joined("list of " if kind == "array" else "map to ", _type_of(inner))
    return joined(" or ".join(kind) if isinstance(kind, list) else str(kind))


def _service_paths() -> Document:
    """Describe what every service has beside its own endpoints."""
    answers = {
        "/health/live": ("Tell that the process is up.", {"200": "application/json"}),
        "/health/ready": (
            "Tell whether all it depends on answers, each by name.",
            {"200": "application/json", "503": "application/json"},
        ),
        "/metrics": ("Tell the metrics as Prometheus text.", {"200": "text/plain"}),
        "/schema/openapi.json": ("Read this document.", {"200": "application/json"}),
    }
    return {
        path: {
            "get": {
                "tags": ["service"],
                "summary": text,
                "description": text,
                "operationId": "Service" + path.title().replace("/", "").replace(".", ""),
                "security": [],
                "responses": {
                    status: {
                        "description": "The answer" if status == "200" else "Something it depends on fails",
                        "content": {media: {"schema": _PLAIN if media.endswith("json") else {"type": "string"}}},
                    }
                    for status, media in statuses.items()
                },
            }
        }
        for path, (text, statuses) in answers.items()
    }
