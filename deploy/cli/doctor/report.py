"""The findings for a person at a terminal: a row each, and beneath it what to do."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from deploy.cli.doctor.findings import Finding, Level
from deploy.cli.output import tell
from deploy.cli.terminal import Colour, coloured, paragraph

_WORDS: Final = {
    Level.OK: ("ok", Colour.GREEN),
    Level.SKIPPED: ("-", Colour.GREY),
    Level.WARNING: ("WARN", Colour.YELLOW),
    Level.FAILURE: ("FAIL", Colour.RED),
}
_WORD: Final = max(len(word) for word, _ in _WORDS.values())


def show(findings: Sequence[Finding]) -> None:
    """Write them, and how many of each level there are."""
    name = max((len(finding.check) for finding in findings), default=0)
    indent = _WORD + name + 4
    for finding in findings:
        word, colour = _WORDS[finding.level]
        seen = paragraph(finding.seen, indent)
        tell(f"{coloured(word.ljust(_WORD), colour)}  {finding.check.ljust(name)}  {seen}")
        if finding.advice:
            tell(f"{' ' * indent}{paragraph(f'→ {finding.advice}', indent + 2)}")
    tell("")
    tell(_summary(Counter(finding.level for finding in findings)))


def _summary(counts: Counter[Level]) -> str:
    skipped = f", {counts[Level.SKIPPED]} not looked at" if counts[Level.SKIPPED] else ""
    failed, warned = counts[Level.FAILURE], counts[Level.WARNING]
    text = f"{failed} FAIL, {warned} WARN, {counts[Level.OK]} ok{skipped}"
    return coloured(text, Colour.RED if failed else Colour.YELLOW if warned else Colour.GREEN)
