"""Presence and typing; history and its questions."""

from typing import Final

from deploy.monitoring.panels import Panel, Row, Series
from deploy.monitoring.rows.queries import quantile, rate, rate_or_none

PRESENCE: Final = Row(
    "Presence and typing",
    (
        Panel(
            "Who is there",
            "Users who look to be there, and the sessions that are known, at the replica that leads.",
            (
                Series("sum(parley_presence_users_online)", "users"),
                Series("sum(parley_presence_sessions)", "sessions"),
                Series("sum(parley_sessions_present)", "sessions at the gateways"),
            ),
        ),
        Panel(
            "Changes",
            "A second: sessions that come and go, changes of how somebody looks, and watchers told.",
            (
                Series(rate("parley_presence_events_total"), "events"),
                Series(rate("parley_presence_changes_total"), "changes"),
                Series(rate("parley_presence_told_total"), "watchers told"),
            ),
            "ops",
        ),
        Panel(
            "Watches",
            "Watches of sockets and long polls, users listened to, watches that are to be judged or answered.",
            (
                Series("sum(parley_presence_watches)", "watches"),
                Series("sum(parley_presence_followed)", "users followed"),
                Series("sum(parley_presence_judging)", "to be judged"),
                Series("sum(parley_presence_unanswered)", "to be answered"),
            ),
        ),
        Panel(
            "Who leads",
            "One replica of presence leads; the others stand by.",
            (
                Series("sum(parley_presence_is_leader)", "leaders"),
                Series("count(parley_presence_is_leader)", "replicas"),
            ),
        ),
        Panel(
            "Typing",
            "A second: typing told to the other members by state, and frames handed on.",
            (
                Series(rate_or_none("parley_typing_told_total", "state"), "told: {{state}}"),
                Series(rate("parley_typing_forwarded_total"), "frames"),
            ),
            "ops",
        ),
        Panel(
            "Typing not told",
            "A second, by reason. It is never certain to arrive.",
            (
                Series(rate_or_none("parley_typing_dropped_total", "reason"), "{{reason}}"),
                Series(rate("parley_typing_not_forwarded_total"), "a frame waited already"),
            ),
            "ops",
        ),
        Panel(
            "Still to be told or kept",
            "Sessions that presence is to be told of, last-seen times to be kept, sessions of dead gateways to go.",
            (
                Series("sum(parley_sessions_untold)", "sessions"),
                Series("sum(parley_presence_last_seen_waiting)", "last seen"),
                Series("sum(parley_presence_removals_waiting)", "removals"),
            ),
        ),
        Panel(
            "Time of presence's answers (99 %)",
            "How long presence takes to answer, by question.",
            (Series(quantile(0.99, "parley_presence_query_seconds", "query"), "{{query}}"),),
            "s",
        ),
    ),
)

HISTORY: Final = Row(
    "History",
    (
        Panel(
            "Questions",
            "Questions answered a second, by kind.",
            (Series(rate("parley_history_query_seconds_count", "query"), "{{query}}"),),
            "ops",
            height=8,
            has_table=True,
        ),
        Panel(
            "Time of a question (99 %)",
            "How long history takes to answer 99 of 100 questions, by kind.",
            (Series(quantile(0.99, "parley_history_query_seconds", "query"), "{{query}}"),),
            "s",
            height=8,
            has_table=True,
        ),
        Panel(
            "Questions answered with a code",
            "A second, by question and code (not_found: somebody asked for what is not theirs).",
            (
                Series(
                    rate("parley_history_query_failures_total", "query, code")
                    + ' or on() label_replace(vector(0), "query", "none", "", "")',
                    "{{query}} {{code}}",
                ),
            ),
            "ops",
            height=8,
        ),
        Panel(
            "At work",
            "Questions being answered, and connections to the database that read, all replicas together.",
            (
                Series("sum(parley_history_queries_running)", "questions"),
                Series('sum(parley_database_connections_in_use{job="history"})', "connections"),
            ),
            height=8,
        ),
    ),
)
