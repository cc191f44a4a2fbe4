"""The metrics of running services: each is explained, each that is watched is there."""

from deploy.monitoring.dashboard import ANNOTATIONS, ROWS
from tests.monitoring.conftest import Watched
from tests.monitoring.metrics_page import PAGE, page
from tests.monitoring.names import described, named
from tests.monitoring.prometheus import RULES
from tests.monitoring.test_alerts import alerts
from tests.support.processes import SERVICES


def test_every_metric_says_what_it_means(watched: Watched) -> None:
    for service in SERVICES:
        for metric in described(watched.metrics(service)):
            assert len(metric.help) > 10, metric
            assert metric.help.endswith(".") or not metric.name.startswith("parley_"), metric


def test_every_metric_stands_in_the_page_of_metrics(watched: Watched) -> None:
    texts = {service: watched.metrics(service) for service in SERVICES}
    known = PAGE.read_text()
    assert page(texts, known) == known, "write it again: python -m tests.monitoring.metrics_page ADDRESS"


def test_what_the_dashboard_and_the_alerts_ask_for_is_there(watched: Watched) -> None:
    queries = [series.query for row in ROWS for panel in row.panels for series in panel.series]
    queries += [query for _, query, _ in ANNOTATIONS]
    queries += [text.partition("        for: ")[0] for text in alerts().values()]
    there = {metric.name for service in SERVICES for metric in described(watched.metrics(service))}
    missing = {name: query for query in queries for name in named(query) - there}
    assert missing == {}, f"{RULES.name} or the dashboard asks for what nobody tells"


def test_no_label_tells_whom_a_message_is_about(watched: Watched) -> None:
    labels = {
        label for service in SERVICES for metric in described(watched.metrics(service)) for label in metric.labels
    }
    assert labels & {"user", "user_id", "username", "conversation", "conversation_id", "session", "address"} == set()


def test_all_that_is_bounded_tells_how_full_it_is(watched: Watched) -> None:
    ratios = watched.prometheus.now("parley_fill_ratio")
    assert {one["metric"]["kind"] for one in ratios} == {"queue", "pool", "cache"}
    assert all(0 <= float(one["value"][1]) <= 1 for one in ratios)
    for one in ratios:
        assert watched.prometheus.now(f"parley_{one['metric']['what']}"), one["metric"]


def test_the_lag_of_each_partition_is_told_and_goes_back_to_nothing(watched: Watched) -> None:
    lags = watched.prometheus.now("parley_log_lag")
    assert sorted(lag["metric"]["partition"] for lag in lags) == ["0", "1", "2", "3"]
    assert [lag["value"][1] for lag in lags] == ["0", "0", "0", "0"]
