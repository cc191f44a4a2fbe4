"""The results as a table for people and as one JSON object for programs."""

import os
import platform
from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """Say on what was measured; figures move from machine to machine, ratios less so."""
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def with_ratios(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set each throughput beside the floor that was measured in the same run."""
    floor = next((result for result in results if result["scenario"] == "floor"), None)
    if floor is not None:
        for result in results:
            if result["scenario"] == "pairs":
                result["of_floor"] = {
                    name.removesuffix("_per_s"): round(result["messages_per_s"] / floor[name], 3)
                    for name in floor
                    if name.endswith("_per_s")
                }
    return results


def table(results: list[dict[str, Any]]) -> str:
    """Lay the results out, a line for each, what it cost below it."""
    lines = []
    for result in results:
        lines.append(f"{_name(result):<34} {_figures(result)}")
        costs = [f"{process} {share:.0f}" for process, share in result.get("cpu_percent", {}).items()]
        memory = [f"{process} {mib:.0f}" for process, mib in result.get("rss_mib", {}).items()]
        if costs:
            lines.append(f"    CPU in % of a core: {', '.join(costs)}")
            lines.append(f"    MiB: {', '.join(memory)}")
        if "of_floor" in result:
            ratios = [f"{ratio:.2f} of {name}" for name, ratio in result["of_floor"].items()]
            lines.append(f"    beside the floor: {', '.join(ratios)}")
    return "\n".join(lines)


def _name(result: Result) -> str:
    match result["scenario"]:
        case "pairs":
            told = ", receipts on" if result["receipts"] else ""
            return f"pairs, {result['in_flight']} in flight{told}"
        case "paced":
            return f"paced, {result['rate']:.0f} messages/s"
        case "idle":
            return f"idle, {result['sockets']} sockets"
        case other:
            return str(other)


def _figures(result: Result) -> str:
    wrong = "".join(f", {result[name]} {name}" for name in ("refused", "unfinished") if result.get(name))
    latency = result.get("latency_ms", {})
    times = f"p50 {latency.get('p50')} ms, p99 {latency.get('p99')} ms"
    match result["scenario"]:
        case "pairs":
            return f"{result['messages_per_s']:,} messages/s, {times}{wrong}"
        case "paced":
            return f"{times}{wrong}"
        case "idle":
            return f"{result['kib_per_socket']} KiB a socket"
        case _:
            figures = (
                f"{name.removesuffix('_per_s')} {value:,}/s"
                for name, value in result.items()
                if name.endswith("_per_s")
            )
            return ", ".join(figures)
