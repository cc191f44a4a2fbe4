"""Delivery: the log and how far it is applied, retries and dead letters."""

from typing import Final

from deploy.monitoring.panels import BLUE, RED, Panel, Row, Series
from deploy.monitoring.rows.queries import quantile, rate, rate_or_none

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
            has_table=True,
        ),
        Panel(
            "Commands in a transaction",
            "How many commands are stored together: the more, the closer delivery is to its limit.",
            (
                Series(
                    f"{rate('parley_delivery_commands_total')} / ({rate('parley_delivery_transactions_total')} > 0)"
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
                Series(rate("parley_delivery_overtaken_total"), "overtaken"),
                Series(rate("parley_delivery_announced_again_total"), "announced again"),
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
                Series(rate("parley_retry_opened_total"), "opened"),
                Series(rate("parley_retry_attempts_total"), "attempts"),
                Series(rate("parley_retry_parked_total"), "given up"),
                Series(rate("parley_retry_closed_total"), "closed"),
                Series(rate_or_none("parley_retry_driven_total", "by"), "driven anew {{by}}"),
            ),
            "ops",
            width=8,
        ),
        Panel(
            "How late attempts are",
            "From when an attempt was due until it was made.",
            (
                Series(quantile(0.5, "parley_retry_lag_seconds"), "median"),
                Series(quantile(0.9, "parley_retry_lag_seconds"), "90 %"),
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
                Series(rate("parley_retry_notes_dropped_total"), "notes"),
                Series(rate("parley_retry_hellos_dropped_total"), "hellos"),
            ),
            "ops",
            width=8,
        ),
        Panel(
            "Time of a sweep",
            "How long it takes, on average, to look through the database for what nobody remembers.",
            (
                Series(
                    "sum by (instance) (parley_retry_sweep_seconds_sum)"
                    " / (sum by (instance) (parley_retry_sweep_seconds_count) > 0)",
                    "{{instance}}",
                ),
            ),
            "s",
            width=8,
        ),
    ),
)
