"""Writes what was measured into docs/performance.md, between the comments that mark its place, and draws the picture."""

import re

import chart
import report
from places import CHART, DOCUMENT


def write(results):
    if results["is_synced"]:
        replace("disk", report.markdown(results))
        return
    replace("table", report.markdown(results))
    if results["profile"]:
        replace("profile", report.profile(results))
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart.limit(results))


def replace(place, text):
    """What stands between `<!-- place -->` and `<!-- /place -->` becomes this text."""
    before = DOCUMENT.read_text()
    pattern = re.compile(rf"(<!-- {place} -->\n).*?(<!-- /{place} -->)", re.DOTALL)
    if not pattern.search(before):
        raise SystemExit(f"{DOCUMENT} has no place for {place}")
    DOCUMENT.write_text(pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", before))
