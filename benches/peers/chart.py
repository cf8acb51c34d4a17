"""The picture of the limit: server CPU time of an uploaded GiB, stacked by what it is spent on, with nothing but text."""

from html import escape

from rows import TABLE

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 26, 12, 150, 70, 64
COLOURS = {"the floor: socket and file": "#4c78a8", "MD5": "#f58518", "CRC": "#e45756", "index": "#72b7b2", "rest": "#9d9da1", "": "#c9c9cf"}
ROW = next(row for row in TABLE if row.name == "up16")


def limit(results):
    """An SVG of the row with the most bytes."""
    bars = list(stacks(results))
    scale = (WIDTH - LEFT - RIGHT) / max([sum(size for _, size in stack) for _, stack in bars] + [ROW.goals[1]])
    height = TOP + len(bars) * (BAR + GAP) + 34
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15">{escape(ROW.title)}: {escape(ROW.cost.unit)} of the server</text>',
        *legend(bars),
    ]
    for number, (name, stack) in enumerate(bars):
        y, x = TOP + number * (BAR + GAP), LEFT
        svg.append(f'<text x="{LEFT - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>')
        for part, size in stack:
            svg.append(f'<rect x="{x:.1f}" y="{y}" width="{size * scale:.1f}" height="{BAR}" fill="{COLOURS[part]}"/>')
            x += size * scale
        svg.append(f'<text x="{x + 6:.1f}" y="{y + 18}">{sum(size for _, size in stack):.2f}</text>')
    goal = LEFT + ROW.goals[1] * scale
    bottom = height - 30
    svg += [
        f'<line x1="{goal:.1f}" y1="{TOP - 6}" x2="{goal:.1f}" y2="{bottom}" stroke="#222222" stroke-dasharray="4 3"/>',
        f'<text x="{goal:.1f}" y="{bottom + 16}" text-anchor="middle">goal {ROW.goals[1]}</text>',
        "</svg>",
    ]
    return "\n".join(svg) + "\n"


def stacks(results):
    """Every server's bar: its name, and pairs of a part and its size. partway's is taken apart by its profile."""
    row = results["rows"].get(ROW.name, {})
    floor = row.get("floor", {}).get("cost")
    for server in results["servers"]:
        cost = row.get(server, {}).get("cost")
        if cost is None:
            continue
        if server == "floor":
            yield server, [("the floor: socket and file", cost)]
        elif server == "partway":
            yield server, apart(cost, floor or 0.0, results["profile"].get(ROW.name, {}).get("shares", {}))
        else:
            yield server, [("", cost)]


def apart(cost, floor, shares):
    """What digests and the index use, what of the rest the floor uses, too, and what is left. All together it is the cost."""
    parts = [(part, shares[part] * cost) for part in ("MD5", "CRC", "index") if part in shares]
    left = cost - sum(size for _, size in parts)
    return [("the floor: socket and file", min(floor, left)), *parts, ("rest", max(left - floor, 0.0))]


def legend(bars):
    x, used = 12, [part for part in COLOURS if part and any(part == name for _, stack in bars for name, _ in stack)]
    for part in used:
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{COLOURS[part]}"/><text x="{x + 17}" y="47">{escape(part)}</text>'
        x += 40 + 7 * len(part)
