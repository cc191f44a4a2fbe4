"""The dashboard of a running Parley, row by row; `python -m deploy.monitoring.dashboard` writes it for Grafana."""

import json
from pathlib import Path
from typing import Final

from deploy.monitoring.panels import BLUE, GREEN, RED, YELLOW, Panel, Row, Series, dashboard

WRITTEN: Final = Path(__file__).with_name("grafana") / "dashboards" / "parley.json"
_FAILED: Final = 'status=~"5..", route!~"/health/.*"'
_ASKED: Final = 'route!~"/health/.*|/metrics"'


def _rate(selector: str, by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({selector}[$__rate_interval]))"


def _quantile(quantile: float, histogram: str, by: str = "", among: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({histogram}_bucket{{{among}}}[$__rate_interval])))"


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
            (Series(_rate("parley_delivery_commands_total"), ""),),
            "ops",
            kind="stat",
            width=3,
            height=4,
            decimals=1,
            steps=((0, BLUE),),
        ),
        Panel(
            "99 % told within",
            "From the acceptance of a message until it is announced, for 99 of 100 messages.",
            (Series(_quantile(0.99, "parley_leg_seconds", among='leg="announced"'), ""),),
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
                    f"({_rate(f'parley_http_requests_total{{{_FAILED}}}')} or vector(0))"
                    f" / {_rate(f'parley_http_requests_total{{{_ASKED}}}')}",
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
                Series(_rate("parley_delivery_commands_total"), "commands applied"),
                Series(_rate("parley_frames_forwarded_total"), "frames forwarded"),
            ),
            "ops",
        ),
        Panel(
            "How long a message takes (99 %)",
            "From the acceptance of a message until each of its stations, for 99 of 100 messages.",
            (Series(_quantile(0.99, "parley_leg_seconds", "leg"), "{{leg}}"),),
            "s",
        ),
        Panel(
            "How long a message takes (median)",
            "From the acceptance of a message until each of its stations, for every other message.",
            (Series(_quantile(0.5, "parley_leg_seconds", "leg"), "{{leg}}"),),
            "s",
        ),
        Panel(
            "What goes wrong",
            "A second: failed requests, questions and commands. Zero is right.",
            (
                Series(f"{_rate(f'parley_http_requests_total{{{_FAILED}}}')} or vector(0)", "HTTP 5xx"),
                Series(_rate("parley_commands_failed_total"), "commands without an answer of the log"),
                Series(_rate("parley_commands_refused_total"), "commands refused: log away or full"),
                Series(f"{_rate('parley_history_query_failures_total')} or vector(0)", "history"),
                Series(f"{_rate('parley_presence_query_failures_total')} or vector(0)", "presence"),
                Series(_rate("parley_dead_letters_total"), "dead letters"),
            ),
            "ops",
        ),
    ),
)

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
                Series(_rate("parley_sockets_opened_total"), "opened"),
                Series(_rate("parley_sockets_closed_total", "code"), "closed: {{code}}"),
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
                Series(f"{_rate('parley_shed_total', 'what')} > 0 or on() vector(0)", "{{what}}"),
                Series(_rate("parley_presence_watches_refused_total"), "presence watches"),
                Series(_rate("parley_refused_dropped_total"), "late refusals"),
                Series(_rate("parley_hellos_untold_total"), "hellos"),
            ),
            "ops",
        ),
        Panel(
            "HTTP requests",
            "Requests a second, by route, health and metrics left out.",
            (
                Series(
                    f"topk(10, {_rate(f'parley_http_requests_total{{{_ASKED}}}', 'method, route')} > 0)",
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
            (Series(_rate(f"parley_http_requests_total{{{_ASKED}}}", "status"), "{{status}}"),),
            "reqps",
            width=8,
            height=8,
            is_stacked=True,
        ),
        Panel(
            "HTTP time by route (99 %)",
            "From request to answer for 99 of 100 requests; long polls wait on purpose.",
            (Series(_quantile(0.99, "parley_http_request_seconds", "route", _ASKED), "{{route}}"),),
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
            "Time to the answer",
            "From a message's acceptance to delivery's answer, sampled.",
            (
                Series(_quantile(0.5, "parley_answer_seconds"), "median"),
                Series(_quantile(0.99, "parley_answer_seconds"), "99 %"),
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
                Series(_rate("parley_announcements_heard_total"), "announcements"),
                Series(f"{_rate('parley_resync_waves_total', 'reason')} or on() vector(0)", "resync {{reason}}"),
            ),
            "ops",
        ),
    ),
)

LOG: Final = Row(
    "Delivery and the log",
    (
        Panel(
            "Lag by partition",
            "Bundles of the log that are not applied and announced yet, by partition.",
            (Series("min by (partition) (parley_log_lag)", "partition {{partition}}"),),
            steps=((500, RED),),
        ),
        Panel(
            "Fill of the log",
            "Bytes in the log; over 60 % of its limit it is trimmed to 40 %. At the limit it refuses messages.",
            (
                Series("max(parley_log_bytes)", "in the log"),
                Series("max(parley_log_max_bytes)", "limit"),
            ),
            "bytes",
        ),
        Panel(
            "Commands in a transaction",
            "How many commands are stored together: the more, the closer delivery is to its limit.",
            (
                Series(
                    f"{_rate('parley_delivery_commands_total')} / ({_rate('parley_delivery_transactions_total')} > 0)"
                    " or vector(0)",
                    "commands",
                ),
            ),
        ),
        Panel(
            "Log, bundles a second",
            "Bundles added to the log, and the position up to which they are applied and announced.",
            (
                Series("max(rate(parley_log_head[$__rate_interval]))", "appended"),
                Series("max(rate(parley_log_position[$__rate_interval]))", "announced"),
            ),
            "ops",
        ),
        Panel(
            "Read ahead",
            "Bundles read from the log and not applied yet, by replica.",
            (Series("sum by (instance) (parley_log_read_ahead)", "{{instance}}"),),
        ),
        Panel(
            "Disturbances",
            "A second: times another replica was faster, and commands announced again after a disturbance.",
            (
                Series(_rate("parley_delivery_overtaken_total"), "overtaken"),
                Series(_rate("parley_delivery_announced_again_total"), "announced again"),
            ),
            "ops",
        ),
        Panel(
            "Other streams",
            "Messages in the streams beside the log: dead letters, and the wake-ups of retries.",
            (Series("max by (stream) (parley_stream_messages)", "{{stream}}"),),
        ),
        Panel(
            "Memory of conversations",
            "Conversations whose members delivery and the gateways remember.",
            (
                Series("sum(parley_conversations_kept)", "delivery"),
                Series("sum(parley_targets_remembered)", "gateways"),
            ),
        ),
    ),
)

RETRIES: Final = Row(
    "Retries and dead letters",
    (
        Panel(
            "Dead letters",
            "Commands that could not be applied: `parley dead-letters list` shows them.",
            (Series('max(parley_stream_messages{stream="DLQ"})', ""),),
            kind="stat",
            width=3,
            steps=((1, RED),),
        ),
        Panel(
            "Waiting",
            "Recipients, per conversation, whom attempts are made to reach, as the last sweep found them.",
            (Series('max(parley_retry_entries{state="waiting"})', ""),),
            kind="stat",
            width=3,
            steps=((0, BLUE),),
        ),
        Panel(
            "Given up for now",
            "Recipients, per conversation, who are away for longer than attempts last; they get all when they return.",
            (Series('max(parley_retry_entries{state="failed"})', ""),),
            kind="stat",
            width=3,
            steps=((0, BLUE),),
        ),
        Panel(
            "What retries do",
            "A second: recipients for whom attempts begin, attempts, those given up, and those found to have it all.",
            (
                Series(_rate("parley_retry_opened_total"), "opened"),
                Series(_rate("parley_retry_attempts_total"), "attempts"),
                Series(_rate("parley_retry_parked_total"), "given up"),
                Series(_rate("parley_retry_closed_total"), "closed"),
                Series(f"{_rate('parley_retry_driven_total', 'by')} or on() vector(0)", "driven anew {{by}}"),
            ),
            "ops",
            width=8,
        ),
        Panel(
            "How late attempts are",
            "From when an attempt was due until it was made.",
            (
                Series(_quantile(0.5, "parley_retry_lag_seconds"), "median"),
                Series(_quantile(0.9, "parley_retry_lag_seconds"), "90 %"),
            ),
            "s",
            width=7,
        ),
        Panel(
            "Waiting in memory",
            "Recipients who have not got a new message yet, wake-ups to be scheduled or seen to, hellos to be heeded.",
            (
                Series("sum(parley_retry_tracked)", "recipients"),
                Series("sum(parley_retry_schedules_waiting)", "to be scheduled"),
                Series("sum(parley_retry_work_held)", "to be seen to"),
                Series("sum(parley_retry_hellos_waiting)", "hellos"),
            ),
            width=8,
        ),
        Panel(
            "Dropped",
            "A second: notes and hellos that did not fit; the sweep finds what they were about.",
            (
                Series(_rate("parley_retry_notes_dropped_total"), "notes"),
                Series(_rate("parley_retry_hellos_dropped_total"), "hellos"),
            ),
            "ops",
            width=8,
        ),
        Panel(
            "Time of a sweep",
            "How long it takes to look through the database for what nobody remembers.",
            (Series(_quantile(0.9, "parley_retry_sweep_seconds"), "90 %"),),
            "s",
            width=8,
        ),
    ),
)

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
                Series(_rate("parley_presence_events_total"), "events"),
                Series(_rate("parley_presence_changes_total"), "changes"),
                Series(_rate("parley_presence_told_total"), "watchers told"),
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
                Series(f"{_rate('parley_typing_told_total', 'state')} or on() vector(0)", "told: {{state}}"),
                Series(_rate("parley_typing_forwarded_total"), "frames"),
            ),
            "ops",
        ),
        Panel(
            "Typing not told",
            "A second, by reason. It is never certain to arrive.",
            (
                Series(f"{_rate('parley_typing_dropped_total', 'reason')} or on() vector(0)", "{{reason}}"),
                Series(_rate("parley_typing_not_forwarded_total"), "a frame waited already"),
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
            "Time of a question (99 %)",
            "How long presence takes to answer, by question.",
            (Series(_quantile(0.99, "parley_presence_query_seconds", "query"), "{{query}}"),),
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
            (Series(_rate("parley_history_query_seconds_count", "query"), "{{query}}"),),
            "ops",
            height=8,
            has_table=True,
        ),
        Panel(
            "Time of a question (99 %)",
            "How long history takes to answer 99 of 100 questions, by kind.",
            (Series(_quantile(0.99, "parley_history_query_seconds", "query"), "{{query}}"),),
            "s",
            height=8,
            has_table=True,
        ),
        Panel(
            "Questions answered with a code",
            "A second, by question and code (not_found: somebody asked for what is not theirs).",
            (
                Series(
                    f"{_rate('parley_history_query_failures_total', 'query, code')} or on() vector(0)",
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

BOUNDS: Final = Row(
    "How full",
    (
        Panel(
            "Queues",
            "How full the fullest queue of each kind is. A full one refuses or drops.",
            (Series('max by (what) (parley_fill_ratio{kind="queue"})', "{{what}}"),),
            "percentunit",
            kind="bargauge",
            width=9,
            height=10,
            most=1,
            steps=((0.5, YELLOW), (0.8, RED)),
        ),
        Panel(
            "Database connections",
            "How many of its connections to the database each service uses; when it uses all, others wait.",
            (Series('max by (job) (parley_fill_ratio{kind="pool"})', "{{job}}"),),
            "percentunit",
            kind="bargauge",
            width=6,
            height=10,
            most=1,
            steps=((0.7, YELLOW), (1, RED)),
        ),
        Panel(
            "Memories",
            "How full what is remembered is. A full one forgets the oldest, and asks again.",
            (Series('max by (what) (parley_fill_ratio{kind="cache"})', "{{what}}"),),
            "percentunit",
            kind="bargauge",
            width=9,
            height=10,
            most=1,
            steps=((0, BLUE),),
        ),
    ),
)

PROCESSES: Final = Row(
    "Processes",
    (
        Panel(
            "Processor",
            "Processors in use, by process; a service uses one at most.",
            (Series("rate(process_cpu_seconds_total[$__rate_interval])", "{{job}} {{instance}}"),),
            "percentunit",
        ),
        Panel(
            "Memory",
            "Resident memory, by process.",
            (Series("process_resident_memory_bytes", "{{job}} {{instance}}"),),
            "bytes",
        ),
        Panel(
            "Files and tasks",
            "Open files (sockets among them) and tasks of the event loop, by service.",
            (
                Series("sum by (job) (process_open_fds)", "{{job}} files"),
                Series("sum by (job) (parley_tasks)", "{{job}} tasks"),
            ),
        ),
        Panel(
            "Garbage collections",
            "Runs of Python's cyclic collector a second, by service; generation 2 looks at everything.",
            (Series(_rate("python_gc_collections_total", "job, generation"), "{{job}} generation {{generation}}"),),
            "ops",
        ),
        Panel(
            "Up for",
            "How long each process has run.",
            (Series("time() - process_start_time_seconds", "{{job}} {{instance}}"),),
            "s",
        ),
        Panel(
            "Broker",
            "Connections to the broker that stand, and messages of it that wait for a process, by service.",
            (
                Series("sum by (job) (parley_broker_connected)", "{{job}} connected"),
                Series("sum by (job) (parley_broker_pending_messages)", "{{job}} messages waiting"),
            ),
        ),
        Panel(
            "Broker came back",
            "Times the connection to the broker came back, in 5 minutes, by service.",
            (Series("sum by (job) (increase(parley_broker_reconnects_total[5m]))", "{{job}}"),),
        ),
        Panel(
            "Checks",
            "Checks of readiness that pass in all replicas (1) or not (0).",
            (Series("min by (job, check) (parley_check_ok)", "{{job}} {{check}}"),),
        ),
    ),
)

ROWS: Final = (IS_IT_WELL, GATEWAY, LOG, RETRIES, PRESENCE, HISTORY, BOUNDS, PROCESSES)
ANNOTATIONS: Final = (
    ("Started", "changes(process_start_time_seconds[1m]) > 0", "blue"),
    ("Alert", 'ALERTS{alertstate="firing"}', "red"),
)


def written() -> str:
    """Write the dashboard as JSON."""
    return json.dumps(dashboard("Parley", "parley", ROWS, ANNOTATIONS), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_text(written())
