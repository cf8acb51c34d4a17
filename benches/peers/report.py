"""The table: every row with every server, who is ahead, and whether the goals are reached."""

from rows import DISK, MEMORY, MEMORY_GOAL, TABLE


def all_rows(results):
    return DISK if results["is_synced"] else TABLE


def cell(figure, value):
    return "–" if value is None else f"{value:,.{figure.digits}f}"


def of(results, row, server, kind):
    """A median, or None where there is none."""
    return results["rows"].get(row.name, {}).get(server, {}).get(kind)


def best_peer(results, row, kind, figure):
    """The best of the peers that have this figure."""
    values = [(value, peer) for peer in results["peers"] if (value := of(results, row, peer, kind)) is not None]
    if not values:
        return None, None
    return max(values) if figure.more_is_better else min(values)


def is_better(figure, value, than):
    return value >= than if figure.more_is_better else value <= than


def ratio(figure, value, best):
    """How many times better partway is."""
    if not value or not best:
        return "–"
    return f"{value / best if figure.more_is_better else best / value:.2f}×"


def heading(results):
    servers = [server for server in results["servers"] if server != "partway"]
    return ["row", "figure", "partway", *servers, "partway : best peer", "goal", "reached", "ahead of all"]


def lines(results):
    """The table's rows, two for each row: speed, and cost."""
    servers = [server for server in results["servers"] if server != "partway"]
    for row in all_rows(results):
        if row.name not in results["rows"]:
            continue
        for kind, figure, goal in (("speed", row.speed, row.goals[0]), ("cost", row.cost, row.goals[1])):
            own = of(results, row, "partway", kind)
            best, _ = best_peer(results, row, kind, figure)
            sign = "≥" if figure.more_is_better else "≤"
            yield [
                row.title if kind == "speed" else "",
                figure.unit,
                cell(figure, own),
                *(peer_cell(results, row, server, kind, figure) for server in servers),
                ratio(figure, own, best),
                f"{sign} {goal:,}" if goal else "",
                verdict(own is not None and is_better(figure, own, goal)) if goal else "",
                "" if own is None or best is None else verdict(is_better(figure, own, best)),
            ]
    memory = over_all(results)
    if memory:
        own, peers = memory.get("partway"), [memory[peer] for peer in results["peers"] if peer in memory]
        best = min(peers, default=None)
        yield [
            "peak resident memory over all of it", MEMORY.unit, cell(MEMORY, own), *(cell(MEMORY, memory.get(server)) for server in servers),
            ratio(MEMORY, own, best), f"≤ {MEMORY_GOAL}", verdict(own is not None and own <= MEMORY_GOAL), "",
        ]


def over_all(results):
    """Peak memory, when every row was run: less than all of them say nothing about it."""
    is_whole = not results["is_synced"] and all(row.name in results["rows"] for row in TABLE)
    return results["memory"] if is_whole else {}


def peer_cell(results, row, server, kind, figure):
    value = of(results, row, server, kind)
    trouble, absent = results["rows"][row.name].get(server, {}).get("trouble"), results["absent"].get(server)
    if value is not None or not (trouble or absent):
        return cell(figure, value)
    word = "refused" if (trouble or "").startswith("refused") else "failed" if trouble else "none"
    return f"{word} [{notes(results).index(trouble or absent) + 1}]"


def verdict(yes):
    return "yes" if yes else "NO"


def notes(results):
    """What troubles there were, each once, in the order in which cells refer to them."""
    found = []
    for servers in results["rows"].values():
        found += [server["trouble"] for server in servers.values() if server.get("trouble")]
    found += results["absent"].values()
    return list(dict.fromkeys(found))


def text(results):
    """For a terminal."""
    table = [heading(results), *lines(results)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    aligned = [[value.ljust(width) if column < 2 else value.rjust(width) for column, (value, width) in enumerate(zip(row, widths))] for row in table]
    return "\n".join([*("  ".join(row).rstrip() for row in aligned), "", *explained(results, "")])


def markdown(results):
    """For docs/performance.md."""
    head = heading(results)
    rule = ["---" if column < 2 else "---:" for column in range(len(head))]
    rows = [f"| {' | '.join(row)} |" for row in [head, rule, *lines(results)]]
    return "\n".join([*rows, "", *explained(results, "- ")])


def explained(results, bullet):
    machine = results["machine"]
    yield f"{bullet}{machine['date']}, {machine['cpus']} CPUs ({machine['cpu']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, data on {machine['data']}"
    yield f"{bullet}medians of {results['repeats']} runs of {results['secs']} s (completes by number); client and server share the CPUs"
    for server in results["servers"]:
        if about := results["about"].get(server):
            yield f"{bullet}{server}: {about}"
    for number, note in enumerate(notes(results), 1):
        yield f"{bullet}[{number}] {note}"
    for server, wrong in results["unverified"].items():
        yield f"{bullet}{server} did not pass --verify: {'; '.join(wrong)}"


def behind(results):
    """The verdict: rows in which partway is not ahead of every peer, and goals that it does not reach."""
    rows = [row for row in all_rows(results) if row.name in results["rows"]]
    for row in rows:
        for kind, figure, goal in (("speed", row.speed, row.goals[0]), ("cost", row.cost, row.goals[1])):
            own = of(results, row, "partway", kind)
            best, peer = best_peer(results, row, kind, figure)
            if own is None:
                yield f"{row.title}: partway has no figure"
            elif best is not None and not is_better(figure, own, best):
                yield f"{row.title}: behind {peer} in {figure.unit}: {cell(figure, own)}, {cell(figure, best)}"
            if own is not None and goal and not is_better(figure, own, goal):
                yield f"{row.title}: goal of {goal:,} {figure.unit} not reached: {cell(figure, own)}"
    memory = over_all(results).get("partway")
    if memory and memory > MEMORY_GOAL:
        yield f"peak memory: goal of {MEMORY_GOAL} MiB not reached: {memory:,.0f}"


def profile(results):
    """Where partway's CPU time goes, for docs/performance.md."""
    rows = [row for row in TABLE if row.name in results["profile"]]
    parts = list(next(iter(results["profile"].values()))["shares"])
    table = [["row", "cost", *parts], ["---", *["---:"] * (len(parts) + 1)]]
    for row in rows:
        taken = results["profile"][row.name]
        shares = [f"{taken['shares'][part] * 100:.0f} %" for part in parts]
        table.append([row.title, f"{cell(row.cost, taken['cost'])} {row.cost.unit}", *shares])
    tops = []
    for row in rows:
        functions = "\n".join(f"    {share:5.1f} %  {function}" for share, function in results["profile"][row.name]["top"])
        tops.append(f"{row.title}:\n\n{functions}")
    return "\n\n".join(["\n".join(f"| {' | '.join(cells)} |" for cells in table), *tops])
