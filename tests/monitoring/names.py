"""Which metrics there are, by what services say; and which ones a query of Prometheus names."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SUFFIXES: Final = ("_bucket", "_count", "_sum")
_NAME: Final = re.compile(r"\b((?:parley|process|python)_[a-z0-9_]+)\b(?!\s*\()")
_STRING: Final = re.compile(r'"[^"]*"')


class Metric(NamedTuple):
    """A metric as its service describes it, with the labels of its samples."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


def described(text: str) -> Iterator[Metric]:
    """Read the text format: each family with its type and help."""
    helps: dict[str, str] = {}
    kinds: dict[str, str] = {}
    labels: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, said = line.removeprefix("# HELP ").partition(" ")
            helps[name] = said
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            kinds[name] = kind
        elif line:
            sample = re.match(r"(\w+)(?:\{(.*)\})? ", line)
            assert sample is not None, line
            family = _family(sample[1], kinds)
            labels.setdefault(family, set()).update(re.findall(r'(\w+)="', sample[2] or ""))
    for name, kind in kinds.items():
        yield Metric(name, kind, helps.get(name, ""), tuple(sorted(labels.get(name, set()) - {"le", "quantile"})))


def named(query: str) -> set[str]:
    """Tell which metrics a query asks for, by the names of their families."""
    names = set(_NAME.findall(_STRING.sub('""', query)))
    return {next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name) for name in names}


def _family(sample: str, kinds: dict[str, str]) -> str:
    if sample in kinds:
        return sample
    return next((sample.removesuffix(end) for end in _SUFFIXES if sample.removesuffix(end) in kinds), sample)
