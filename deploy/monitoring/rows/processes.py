"""How full what is bounded is, and the processes themselves."""

from typing import Final

from deploy.monitoring.panels import BLUE, RED, YELLOW, Panel, Row, Series
from deploy.monitoring.rows.queries import rate

BOUNDS: Final = Row(
    "How full",
    (
        Panel(
            "Queues",
            "How full queues are, in the replica where they are fullest. A full one refuses or drops.",
            (Series('sort_desc(max by (what) (parley_fill_ratio{kind="queue"}))', "{{what}}"),),
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
            (Series('sort_desc(max by (what) (parley_fill_ratio{kind="cache"}))', "{{what}}"),),
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
            "Runs of Python's cyclic collector a second, by service; one of generation 2 looks at everything.",
            (
                Series(rate('python_gc_collections_total{generation="0"}', "job"), "{{job}} young"),
                Series(rate('python_gc_collections_total{generation="2"}', "job"), "{{job}} all"),
            ),
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
            "Processes without a connection to the broker, and messages of it that wait for a process, by service.",
            (
                Series("sum by (job) (1 - parley_broker_connected)", "{{job}} away"),
                Series("sum by (job) (parley_broker_pending_messages)", "{{job}} waiting"),
            ),
        ),
        Panel(
            "Broker came back",
            "Times the connection to the broker came back, in 5 minutes, by service.",
            (Series("sum by (job) (increase(parley_broker_reconnects_total[5m]))", "{{job}}"),),
        ),
        Panel(
            "Failing checks",
            "Checks of readiness that fail, by service: what each said is in its log and at /health/ready.",
            (Series("sum by (job) (1 - parley_check_ok)", "{{job}}"),),
        ),
    ),
)
