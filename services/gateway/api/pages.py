"""The pages beside the browser client: the one that stands in for it, and the style sheet of all."""

from litestar import Response, get
from litestar.enums import MediaType

from services.gateway.api.html import STYLE, STYLE_SHEET, element, page

REPOSITORY_DOCS = "docs/protocol.md"


@get("/", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
def welcome() -> str:
    """Say what this is, where to go, and how to have the browser client: for a gateway without it."""
    return page(
        "Welcome",
        element("h1", "Parley"),
        element("p", "A real-time messaging system: nothing lost, nothing doubled, always in order."),
        element("p", "This is its gateway. Programs speak to it over HTTP and over one WebSocket."),
        element(
            "ul",
            element("li", element("a", "The HTTP interface, endpoint by endpoint", href="/schema")),
            element("li", element("a", "The same as an OpenAPI document", href="/schema/openapi.json")),
            element("li", "The socket: ", element("code", "/ws"), ", subprotocol ", element("code", "parley.v1.json")),
            element("li", element("a", "Is everything running?", href="/health/ready")),
            element("li", "The protocol in full: ", element("code", REPOSITORY_DOCS), " in the repository"),
        ),
        element(
            "p",
            "The client for the browser is not built here. With Parley's sources on this machine, ",
            element("code", "make web"),
            " builds it, or says what it needs for that. Then start this gateway again.",
        ),
    )


@get(STYLE_SHEET, sync_to_thread=False, include_in_schema=False)
def style_sheet() -> Response[str]:
    """Serve the one style sheet."""
    return Response(STYLE, media_type="text/css", headers={"cache-control": "public, max-age=300"})
