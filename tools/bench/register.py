#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Table and JSON of tools/bench/register.

    register.py ENTRIES RELEASE STOCK PATCHED OUTPUT <RAW
"""

import json
import statistics
import sys

METRICS = {
    "assign": "all assigns, elapsed",
    "cpu": "all assigns, processor",
    "search": "search for collisions",
    "deassign": "all deassigns, elapsed",
}


def read(lines):
    """KERNEL KEY VALUE KEY VALUE... to {kernel: {key: [values]}}, in ms"""
    runs = {}
    for line in lines:
        kernel, *words = line.split()
        run = runs.setdefault(kernel, {key: [] for key in METRICS})
        for key, value in zip(words[::2], words[1::2]):
            run[key].append(float(value) / 1000)
    return runs


def spread(values):
    return {"median": statistics.median(values), "p99": max(values),
            "min": min(values), "max": max(values)}


def figure(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def shares(run, of):
    return [100 * a / b for a, b in zip(run["search"], run[of])]


def rows_of(kernel, run):
    for key, name in METRICS.items():
        yield {"name": key, "subject": kernel, "metric": name, "unit": "ms",
               **spread(run[key])}
    for of in ("assign", "cpu"):
        yield {"name": f"share-of-{of}", "subject": kernel,
               "metric": f"search, of: {METRICS[of]}", "unit": "%",
               **spread(shares(run, of))}


def ratios_of(stock, patched, runs):
    for key, name in METRICS.items():
        pairs = [a / max(b, 1e-3) for a, b in
                 zip(runs[stock][key], runs[patched][key])]
        yield {"name": key, "metric": name, "ours": patched, "peer": stock,
               "better": "lower", "median": statistics.median(pairs),
               "min": min(pairs), "max": max(pairs)}


def main():
    entries, release, stock, patched, output = sys.argv[1:]
    runs = read(sys.stdin)
    rounds = len(runs[stock]["assign"])
    rows = [*rows_of(stock, runs[stock]), *rows_of(patched, runs[patched])]
    ratios = list(ratios_of(stock, patched, runs))
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"bench": "register", "kernel": release,
                   "entries": int(entries), "rounds": rounds, "rows": rows,
                   "ratios": ratios}, file, indent=1)
        file.write("\n")

    print(f"{entries} ioeventfds in one VM, {rounds} rounds, "
          "median (least to most)\n")
    print(f"{'':42}{'KVM of ' + stock:>32}{'KVM of ' + patched:>32}")
    half = len(rows) // 2
    for a, b in zip(rows[:half], rows[half:]):
        cells = [f"{figure(r['median'])} ({figure(r['min'])} to "
                 f"{figure(r['max'])})" for r in (a, b)]
        print(f"{a['metric'] + ', ' + a['unit']:42}"
              f"{cells[0]:>32}{cells[1]:>32}")
    print(f"\n{output}")


if __name__ == "__main__":
    main()
