#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The tables and panels of report, for many subjects with the same rows."""

import importlib.machinery
import importlib.util
import os
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "report")
LOADER = importlib.machinery.SourceFileLoader("report", PATH)
report = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("report", LOADER))
LOADER.exec_module(report)


def row(name, subject, metric, median, p99=0):
    return {"name": name, "subject": subject, "metric": metric, "unit": "us",
            "median": median, "p99": p99, "min": median, "max": median}


RESULT = {
    "bench": "x", "grid": ["speed"], "tails": ["speed"], "list": ["speed"],
    "ceiling": "top", "rows": [
        row("r1", "top", "speed", 900), row("r1", "vhost-doorbell", "speed", 20, 70),
        row("r1", "peer", "speed", 10), row("r2", "peer", "speed", 30),
        row("r1", "peer", "exits", 2.5)]}


class Grid(unittest.TestCase):
    def test_a_line_each_subject_and_the_ceiling_last(self):
        self.assertEqual(report.grid(RESULT, "speed", "median"),
                         ["                  r1    r2",
                          "vhost-doorbell  20.0     -",
                          "peer            10.0  30.0",
                          "top              900     -"])

    def test_another_field(self):
        self.assertIn("70.0", report.grid(RESULT, "speed", "p99")[1])

    def test_who_lacks_a_metric_has_no_line(self):
        self.assertEqual(report.grid(RESULT, "exits", "median"),
                         ["        r1", "peer  2.50"])


class Panels(unittest.TestCase):
    def test_a_panel_each_row_without_the_ceiling(self):
        first, second = report.panels_by_row(RESULT)
        self.assertEqual((first.title, first.values),
                         ("r1", {"vhost-doorbell": 20, "peer": 10}))
        self.assertEqual((second.title, second.values), ("r2", {"peer": 30}))
        self.assertEqual([first.kind("vhost-doorbell"), first.kind("peer")],
                         ["ours", "peer"])

    def test_charted_metrics_of_rows_that_have_not_the_same(self):
        result = dict(RESULT, chart=["speed", "lag"], rows=[
            row("r1", "peer", "speed", 1), row("r1", "peer", "exits", 2),
            row("r2", "peer", "lag", 3)])
        self.assertEqual([(panel.title, panel.unit, panel.values)
                          for panel in report.panels_by_row(result)],
                         [("r1", "speed", {"peer": 1}), ("r2", "lag", {"peer": 3})])


class Ratios(unittest.TestCase):
    def test_which_of_ours_only_if_there_are_several(self):
        first = {"name": "r1", "ours": "a", "peer": "p", "metric": "m",
                 "median": 0.5, "min": 0.25, "max": 2}
        second = dict(first, ours="b", median=2)
        self.assertEqual(report.ratios({"ratios": [first]}),
                         ["row  against  in  ahead   min   max",
                          "r1   p        m    0.50  0.25  2.00  the peer is ahead"])
        self.assertEqual(report.ratios({"ratios": [first, second]})[2],
                         "r1   b     p        m    2.00  0.25  2.00")


if __name__ == "__main__":
    unittest.main()
