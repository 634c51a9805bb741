# SPDX-License-Identifier: GPL-2.0
"""What a benchmark's raw figures come to: medians, spread, ratios.

Raw figures are lines of JSON, one object each, in any order:

  {"bench": "notify", "kernel": "6.12...", "accel": "tcg", "title": "..."}
      what was measured, where; anything else in it is kept
  {"round": 0, "row": "vmm-pio", "subject": "vmm", "metric": "round trip",
   "unit": "us", "better": "lower", "value": 6.5}
      one figure of one round; "p99", "min" and "max" may say how it was spread
      inside the round
  {"compare": "ioeventfd-pio", "peer": "vmm-pio", "metric": "round trip"}
      the row "compare" is ours, to be set against "peer"; "subject" and
      "peer_subject" tell rows of one name apart, and then name the peer
  {"reference": "vmm-pio", "metric": "round trip", "unit": "us", "value": 9.09,
   "source": "2009", "note": "measured"}
      a figure of somebody else's, to stand beside ours
  {"skip": "ioeventfd-hc", "why": "..."}
      a row that could not be had
"""

import json
import math


class BadFigures(Exception):
    """The raw figures can't be used; the message says what to look at."""


def median(values):
    """The middle one, or the mean of the two in the middle."""
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise BadFigures("a median of no values")
    half = n // 2
    if n % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def percentile(values, percent):
    """The smallest value that PERCENT % of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise BadFigures("a percentile of no values")
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def ratio(ours, peer, better):
    """How far ours is ahead: above 1 it is, whatever the metric counts."""
    if better == "higher":
        over, under = ours, peer
    elif better == "lower":
        over, under = peer, ours
    else:
        raise BadFigures(f'"better" is {better!r}, not "higher" or "lower"')
    if not under:
        raise BadFigures("a ratio with a figure that is 0")
    return over / under


def read(lines):
    """Sort raw lines: (what was measured, {kind: objects})."""
    meta = {}
    found = {"round": [], "compare": [], "reference": [], "skip": []}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise BadFigures(f"line {number} is not JSON: {error}") from error
        if "bench" in entry:
            meta.update(entry)
            continue
        kind = next((k for k in found if k in entry), None)
        if kind is None:
            raise BadFigures(f"line {number} is of no known kind: {line.strip()}")
        found[kind].append(entry)
    if "bench" not in meta:
        raise BadFigures('no line says which "bench" it was')
    if not found["round"]:
        raise BadFigures("no round was measured")
    return meta, found


def series(rounds):
    """{(row, subject, metric): {round: entry}}, in order of appearance."""
    table = {}
    for entry in rounds:
        key = (entry["row"], entry["subject"], entry["metric"])
        of_row = table.setdefault(key, {})
        if entry["round"] in of_row:
            raise BadFigures(f"round {entry['round']} of {key} is there twice")
        of_row[entry["round"]] = entry
    return table


def summarize(of_row):
    """One row of the result, out of its rounds.

    The p99 is that of single events where the rounds know it (the median of
    theirs), or else that of the rounds. Least and most are those of the rounds'
    values: how far a repetition may be off.
    """
    entries = list(of_row.values())
    values = [entry["value"] for entry in entries]
    tails = [entry["p99"] for entry in entries if "p99" in entry]
    first = entries[0]
    return {
        "name": first["row"],
        "subject": first["subject"],
        "metric": first["metric"],
        "unit": first["unit"],
        "median": median(values),
        "p99": median(tails) if tails else percentile(values, 99),
        "min": min(values),
        "max": max(values),
    }


def find(table, row, subject, metric):
    """The rounds of a row; its subject need only be named if it has several."""
    keys = [key for key in table if key[0] == row and key[2] == metric and
            subject in (None, key[1])]
    if len(keys) > 1:
        raise BadFigures(f'row {row} has several subjects: name one')
    return table[keys[0]] if keys else None


def compare(table, request):
    """A ratio, pair by pair: round by round. None if one of both is missing."""
    metric = request["metric"]
    ours = find(table, request["compare"], request.get("subject"), metric)
    peer = find(table, request["peer"], request.get("peer_subject"), metric)
    if ours is None or peer is None:
        return None
    pairs = sorted(set(ours) & set(peer))
    if not pairs:
        raise BadFigures(f"{request['compare']} and {request['peer']} have no "
                         "round in common")
    first = ours[pairs[0]]
    better = first["better"]
    values = [ratio(ours[n]["value"], peer[n]["value"], better) for n in pairs]
    return {
        "name": request["compare"],
        "metric": metric,
        "ours": first["subject"],
        "peer": request.get("peer_subject", request["peer"]),
        "better": better,
        "median": median(values),
        "min": min(values),
        "max": max(values),
    }


def evaluate(lines):
    """Raw lines to the object that build/bench/NAME.json holds."""
    meta, found = read(lines)
    table = series(found["round"])
    ratios = [compare(table, request) for request in found["compare"]]
    result = dict(meta)
    result["rounds"] = len({entry["round"] for entry in found["round"]})
    result["rows"] = [summarize(of_row) for of_row in table.values()]
    result["ratios"] = [entry for entry in ratios if entry]
    result["references"] = found["reference"]
    result["skipped"] = found["skip"]
    return result
