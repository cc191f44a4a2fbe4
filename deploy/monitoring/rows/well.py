"""Is it well? What an operator looks at first."""

from typing import Final

from deploy.monitoring.panels import BLUE, GREEN, RED, YELLOW, Panel, Row, Series
from deploy.monitoring.rows.queries import ASKED, BROKEN, FAILED, quantile, rate

IS_IT_WELL: Final = Row(
    "Is it well?",
    (
        Panel(
            "Ready",
            "Whether all replicas of a service are ready: all that they depend on answers.",
            (Series("min by (job) (parley_ready)", "{{job}}"),),
            kind="stat",
            width=8,
            height=4,
            steps=((0, RED), (1, GREEN)),
            says={"0": ("not ready", RED), "1": ("ready", GREEN)},
        ),
        Panel(
            "Alerts",
            "Alerts that fire right now. What each means is in docs/operations.md.",
            (Series('count(ALERTS{alertstate="firing"}) or vector(0)', ""),),
            kind="stat",
            width=3,
            height=4,
            steps=((1, RED),),
        ),
        Panel(
            "Commands applied",
            "Messages, receipts and blocks that are stored, a second.",
            (Series(rate("parley_delivery_commands_total"), ""),),
            "ops",
            kind="stat",
            width=3,
            height=4,
            decimals=1,
            steps=((0, BLUE),),
        ),
        Panel(
            "99 % forwarded within",
            "From the acceptance of a message until it is on its way to a recipient's socket, for 99 of 100 messages.",
            (Series(quantile(0.99, "parley_leg_seconds", among='leg="forwarded"'), ""),),
            "s",
            kind="stat",
            width=4,
            height=4,
            decimals=1,
            steps=((0.25, YELLOW), (1, RED)),
        ),
        Panel(
            "Log lag",
            "Bundles of the log that are not applied and announced yet, in the partition that is furthest behind.",
            (Series("max(min by (partition) (parley_log_lag))", ""),),
            kind="stat",
            width=3,
            height=4,
            steps=((100, YELLOW), (500, RED)),
        ),
        Panel(
            "HTTP errors",
            "The share of HTTP requests that were answered with a status of 500 or more.",
            (
                Series(
                    f"({rate(f'parley_http_requests_total{{{FAILED}}}')}"
                    f" / ({rate(f'parley_http_requests_total{{{ASKED}}}')} > 0)) or vector(0)",
                    "",
                ),
            ),
            "percentunit",
            kind="stat",
            width=3,
            height=4,
            decimals=2,
            steps=((0.001, YELLOW), (0.01, RED)),
        ),
        Panel(
            "Messages and frames",
            "What comes in: commands applied. What goes out: frames handed to sockets and long polls.",
            (
                Series(rate("parley_delivery_commands_total"), "commands applied"),
                Series(rate("parley_frames_forwarded_total"), "frames forwarded"),
            ),
            "ops",
        ),
        Panel(
            "How long a message takes (99 %)",
            "For 99 of 100: from acceptance until answered, stored, forwarded; announced: from the commit.",
            (Series(quantile(0.99, "parley_leg_seconds", "leg", 'leg!="delivered"'), "{{leg}}"),),
            "s",
        ),
        Panel(
            "How long a message takes (median)",
            "For half: from acceptance until answered, stored, forwarded; announced: from the commit.",
            (Series(quantile(0.5, "parley_leg_seconds", "leg", 'leg!="delivered"'), "{{leg}}"),),
            "s",
        ),
        Panel(
            "What goes wrong",
            "A second: failed requests, questions and commands. Zero is right.",
            (
                Series(f"{rate(f'parley_http_requests_total{{{FAILED}}}')} or vector(0)", "HTTP 5xx"),
                Series(rate("parley_commands_failed_total"), "commands without an answer of the log"),
                Series(rate("parley_commands_refused_total"), "commands refused: log away or full"),
                Series(f"{rate(f'parley_history_query_failures_total{{{BROKEN}}}')} or vector(0)", "history"),
                Series(f"{rate(f'parley_presence_query_failures_total{{{BROKEN}}}')} or vector(0)", "presence"),
                Series(rate("parley_dead_letters_total"), "dead letters"),
            ),
            "ops",
        ),
    ),
)
