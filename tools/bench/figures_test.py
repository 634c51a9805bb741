#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The arithmetic of figures.py, on figures small enough to do by hand."""

import json
import sys
import unittest

import figures


def line(number, row, value, metric="round trip", better="lower", **more):
    return json.dumps({"round": number, "row": row, "subject": row[:1],
                       "metric": metric, "unit": "us", "better": better,
                       "value": value} | more)


HEAD = json.dumps({"bench": "x", "kernel": "k", "accel": "a"})
COMPARE = json.dumps({"compare": "b", "peer": "a", "metric": "round trip"})


class Numbers(unittest.TestCase):
    def test_median(self):
        self.assertEqual(figures.median([3, 1, 2]), 2)
        self.assertEqual(figures.median([4, 1, 3, 2]), 2.5)
        self.assertEqual(figures.median([7]), 7)
        with self.assertRaises(figures.BadFigures):
            figures.median([])

    def test_percentile(self):
        hundred = list(range(1, 101))
        self.assertEqual(figures.percentile(hundred, 99), 99)
        self.assertEqual(figures.percentile(hundred, 100), 100)
        self.assertEqual(figures.percentile(hundred, 50), 50)
        self.assertEqual(figures.percentile(hundred + [101], 99), 100)
        self.assertEqual(figures.percentile([5, 9], 99), 9)
        self.assertEqual(figures.percentile([5, 9], 0), 5)

    def test_ratio_above_one_is_ours_ahead(self):
        self.assertEqual(figures.ratio(2.0, 8.0, "lower"), 4)
        self.assertEqual(figures.ratio(8.0, 2.0, "lower"), 0.25)
        self.assertEqual(figures.ratio(8.0, 2.0, "higher"), 4)
        self.assertEqual(figures.ratio(2.0, 8.0, "higher"), 0.25)
        with self.assertRaises(figures.BadFigures):
            figures.ratio(1, 1, "smaller")
        with self.assertRaises(figures.BadFigures):
            figures.ratio(0, 1, "lower")


class Results(unittest.TestCase):
    def test_rows(self):
        result = figures.evaluate([HEAD, line(0, "a", 5), line(1, "a", 3),
                                   line(2, "a", 10)])
        self.assertEqual(result["bench"], "x")
        self.assertEqual(result["rounds"], 3)
        self.assertEqual(result["rows"], [
            {"name": "a", "subject": "a", "metric": "round trip", "unit": "us",
             "median": 5, "p99": 10, "min": 3, "max": 10}])

    def test_tail_of_the_rounds_own(self):
        result = figures.evaluate([HEAD, line(0, "a", 5, p99=50),
                                   line(1, "a", 3, p99=30),
                                   line(2, "a", 4, p99=90)])
        self.assertEqual(result["rows"][0]["p99"], 50)

    def test_ratios_are_of_pairs(self):
        # The machine is three times slower in round 1, and both feel it: of
        # the medians alone it would come out as 22 / 10 and not as 2.
        result = figures.evaluate([
            HEAD, COMPARE,
            line(0, "a", 20), line(0, "b", 10),
            line(1, "b", 30), line(1, "a", 60),
            line(2, "a", 22), line(2, "b", 10)])
        (ratio,) = result["ratios"]
        self.assertEqual(ratio, {
            "name": "b", "metric": "round trip", "ours": "b", "peer": "a",
            "better": "lower", "median": 2, "min": 2, "max": 2.2})

    def test_round_without_its_pair_is_left_out(self):
        result = figures.evaluate([HEAD, COMPARE, line(0, "a", 20),
                                   line(0, "b", 10), line(1, "b", 1)])
        self.assertEqual(result["ratios"][0]["max"], 2)

    def test_a_missing_peer_gives_no_ratio(self):
        result = figures.evaluate([HEAD, COMPARE, line(0, "b", 10)])
        self.assertEqual(result["ratios"], [])

    def test_rows_of_one_name(self):
        request = {"compare": "a", "subject": "new", "peer": "a",
                   "peer_subject": "old", "metric": "round trip"}
        result = figures.evaluate([HEAD, json.dumps(request),
                                   line(0, "a", 4, subject="new"),
                                   line(0, "a", 12, subject="old")])
        (ratio,) = result["ratios"]
        self.assertEqual((ratio["ours"], ratio["peer"], ratio["median"]),
                         ("new", "old", 3))
        request.pop("subject")
        with self.assertRaises(figures.BadFigures):
            figures.evaluate([HEAD, json.dumps(request),
                              line(0, "a", 4, subject="new"),
                              line(0, "a", 12, subject="old")])

    def test_refused(self):
        for lines in ([line(0, "a", 1)], [HEAD], [HEAD, "{"],
                      [HEAD, '{"what": 1}'],
                      [HEAD, line(0, "a", 1), line(0, "a", 2)]):
            with self.assertRaises(figures.BadFigures):
                figures.evaluate(lines)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
