"""The gateway: sockets, frames, HTTP, and what it refuses."""

from typing import Final

from deploy.monitoring.panels import Panel, Row, Series
from deploy.monitoring.rows.queries import ASKED, quantile, rate, rate_or_none

GATEWAY: Final = Row(
    "Gateway",
    (
        Panel(
            "Sockets",
            "Who is connected right now.",
            (
                Series("sum(parley_sockets)", "sockets"),
                Series("sum(parley_long_polls)", "long polls"),
                Series("sum(parley_users_listening)", "users"),
            ),
        ),
        Panel(
            "Sockets opened and closed",
            "A second: sockets let in, and those that the server closed, by code (slow: too slow a reader).",
            (
                Series(rate("parley_sockets_opened_total"), "opened"),
                Series(rate("parley_sockets_closed_total", "code"), "closed: {{code}}"),
            ),
            "ops",
        ),
        Panel(
            "Frames waiting for readers",
            "Frames that wait for slow readers and replays, and hellos that wait for what was missed.",
            (
                Series("sum(parley_socket_frames_waiting)", "frames"),
                Series("sum(parley_resumes_waiting)", "hellos"),
            ),
        ),
        Panel(
            "Refused or dropped",
            "A second: work refused or dropped because something was full, or (rate of ...) came too often.",
            (
                Series(rate_or_none("parley_shed_total", "what", is_known=True), "{{what}}"),
                Series(rate("parley_presence_watches_refused_total"), "presence watches"),
                Series(rate("parley_refused_dropped_total"), "late refusals"),
                Series(rate("parley_hellos_untold_total"), "hellos"),
            ),
            "ops",
        ),
        Panel(
            "HTTP requests",
            "Requests a second, by route, health and metrics left out.",
            (
                Series(
                    f"topk(8, {rate(f'parley_http_requests_total{{{ASKED}}}', 'method, route')} > 0)",
                    "{{method}} {{route}}",
                ),
            ),
            "reqps",
            width=8,
            height=8,
            has_table=True,
        ),
        Panel(
            "HTTP by status",
            "Requests a second, by status.",
            (Series(rate(f"parley_http_requests_total{{{ASKED}}}", "status"), "{{status}}"),),
            "reqps",
            width=8,
            height=8,
            is_stacked=True,
        ),
        Panel(
            "HTTP time by route (99 %)",
            "From request to answer for 99 of 100 requests; long polls wait on purpose.",
            (Series(quantile(0.99, "parley_http_request_seconds", "route", ASKED), "{{route}}"),),
            "s",
            width=8,
            height=8,
            has_table=True,
        ),
        Panel(
            "Commands on their way",
            "Commands that the log has not confirmed, and messages that delivery has not answered.",
            (
                Series("sum(parley_commands_waiting)", "not confirmed by the log"),
                Series("sum(parley_commands_in_flight)", "not answered"),
                Series("sum(parley_refused_waiting)", "refusals to be written down"),
            ),
        ),
        Panel(
            "Until a message is delivered",
            "From a message's acceptance until a recipient's device has said that it is there.",
            (
                Series(quantile(0.5, "parley_leg_seconds", among='leg="delivered"'), "median"),
                Series(quantile(0.9, "parley_leg_seconds", among='leg="delivered"'), "90 %"),
            ),
            "s",
        ),
        Panel(
            "Passwords being hashed",
            "Sign-ins and registrations that wait for argon2.",
            (Series("sum(parley_passwords_hashing)", "hashing or waiting"),),
        ),
        Panel(
            "Announcements and resyncs",
            "A second: announcements heard, and waves of resyncs (all sockets look for what they missed), by reason.",
            (
                Series(rate("parley_announcements_heard_total"), "announcements"),
                Series(rate_or_none("parley_resync_waves_total", "reason"), "resync {{reason}}"),
            ),
            "ops",
        ),
    ),
)
