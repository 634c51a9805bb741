#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""That gnuplot draws what chart.py asks it to."""

import os
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

import chart

PANEL = chart.Panel("it's <&> \\n", "us", {"a": 10.0, "b": 5.0}, {"b": "x"},
                    {"a": "ours"})


class Chart(unittest.TestCase):
    def test_data(self):
        ours, peer = (int(chart.COLOURS[kind][0][1:], 16)
                      for kind in ("ours", "peer"))
        self.assertEqual(list(chart.data(PANEL, ["a", "c", "b"])),
                         [f"0\t10\t{ours}\t10.0", f"2\t5\t{peer}\t5.00 x"])

    def test_drawn(self):
        with tempfile.TemporaryDirectory() as place:
            paths = chart.draw("it's", ["a", "c", "b"], [PANEL, PANEL], "foot",
                               place + "/x")
            self.assertEqual([path[-4:] for path in paths], [".svg", ".png"])
            with open(paths[0], encoding="utf-8") as drawn:
                svg = drawn.read()
            with open(paths[1], "rb") as drawn:
                self.assertEqual(drawn.read(4), b"\x89PNG")
        # Text is text, whatever gnuplot or SVG would make of it.
        words = "".join(xml.etree.ElementTree.fromstring(svg).itertext())
        self.assertEqual(words.count("it's <&> \\n"), 2)
        self.assertEqual(words.count("5.00 x"), 2)

    def test_without_gnuplot(self):
        with tempfile.TemporaryDirectory() as place, \
                unittest.mock.patch.dict(os.environ, PATH=place), \
                self.assertRaisesRegex(chart.NoGnuplot, "install gnuplot-nox"):
            chart.draw("t", ["a"], [PANEL], "", place + "/x")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
