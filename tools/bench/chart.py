# SPDX-License-Identifier: GPL-2.0
"""Horizontal bars, drawn by gnuplot: one row each, panels side by side, and below
one another where they are many.

Each panel has a scale of its own, from 0: what is compared are the rows of one
panel, and the shape of one panel with that of the next.
"""

import subprocess
from dataclasses import dataclass

# Pixels
ROW = 22
LABELS = 190
PANEL = 240
TITLE = 30
HEAD = 50
FOOT = 30
# Panels side by side at the most
ACROSS = 5
# How much of a panel its longest bar takes; the figure stands behind it.
LONGEST = 0.55
COLOURS = {"ours": ("#1b6ca8", "blue: ours"), "peer": ("#9aa5ad", "grey: others"),
           "reference": ("#c98a2b", "ochre: others' own figures")}
# Both in a font of the same size: gnuplot's SVG counts in pixels, its PNG in
# points.
TERMINALS = {".svg": "svg fixed background '#ffffff' font 'DejaVu Sans,11'",
             ".png": "pngcairo background '#ffffff' font 'DejaVu Sans,8.5'"}


class NoGnuplot(Exception):
    """There is nothing to draw with; the message says what to install."""


@dataclass
class Panel:
    """TITLE above, {row: value} in UNIT, {row: word behind its figure}."""

    title: str
    unit: str
    values: dict
    notes: dict
    kinds: dict = None

    def kind(self, row):
        return (self.kinds or {}).get(row, "peer")


def figure(value):
    """Three digits are what a measurement is good for."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def quoted(text):
    """As a string of gnuplot's, in which nothing is special."""
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


def data(panel, rows):
    """The bars of a panel, of those rows that it knows: row, value, colour, label"""
    for index, row in enumerate(rows):
        if row not in panel.values:
            continue
        label = f"{figure(panel.values[row])} {panel.notes.get(row) or ''}"
        yield (f"{index}\t{panel.values[row]:.9g}\t"
               f"{int(COLOURS[panel.kind(row)][0][1:], 16)}\t{label.rstrip()}")


def draw_panel(number, panel, rows, width, height):
    down, across = divmod(number, ACROSS)
    left = LABELS + across * PANEL
    # From above
    head = TITLE + down * (HEAD + ROW * len(rows))
    bars = head + HEAD
    longest = max(panel.values.values(), default=0) or 1
    tics = ", ".join(f"{quoted('' if across else row)} {index}"
                     for index, row in enumerate(rows))
    return [
        f"$panel{number} << END_OF_PANEL", *data(panel, rows), "END_OF_PANEL",
        f"set lmargin at screen {left / width:.5f}",
        f"set rmargin at screen {(left + PANEL - 10) / width:.5f}",
        f"set tmargin at screen {1 - bars / height:.5f}",
        f"set bmargin at screen {1 - (bars + ROW * len(rows)) / height:.5f}",
        f"set xrange [0:{longest / LONGEST:.9g}]",
        f"set ytics ({tics})",
        f"set label 1 {quoted(panel.title)} at graph 0, screen "
        f"{1 - (head + 14) / height:.5f}",
        f"set label 2 {quoted(panel.unit)} at graph 0, screen "
        f"{1 - (head + 32) / height:.5f} textcolor '#555555'",
        f"plot $panel{number} using (0):1:(0):2:($1 - 0.32):($1 + 0.32):3 "
        "with boxxyerror fillcolor rgb variable, "
        f"$panel{number} using 2:1:4 with labels left offset 0.4, 0",
    ]


def legend(panels):
    kinds = {panel.kind(row) for panel in panels for row in panel.values}
    return "; ".join(words for kind, (_, words) in COLOURS.items() if kind in kinds)


def script(title, rows, panels, foot, path):
    """What gnuplot is told, to draw to PATH by its ending."""
    width = LABELS + PANEL * min(len(panels), ACROSS) + 10
    height = TITLE + -(-len(panels) // ACROSS) * (HEAD + ROW * len(rows)) + FOOT
    foot = "; ".join(filter(None, [legend(panels), foot]))
    lines = [
        f"set terminal {TERMINALS[path[-4:]]} noenhanced size {width}, {height}",
        f"set output {quoted(path)}",
        "set datafile separator tab",
        "set multiplot",
        f"set label 10 {quoted(title)} at screen {10 / width:.5f}, screen "
        f"{1 - 20 / height:.5f} font ',14'",
        f"set label 11 {quoted(foot)} at screen {10 / width:.5f}, screen "
        f"{14 / height:.5f} textcolor '#555555'",
        "set border 2 linecolor '#888888'",
        "set style fill solid noborder",
        "set grid ytics linetype 1 linecolor '#e4e8ea'",
        f"set yrange [{len(rows) - 0.5}:-0.5]",
        "set ytics scale 0 textcolor '#000000'",
        "unset xtics", "unset key",
    ]
    for number, panel in enumerate(panels):
        lines += draw_panel(number, panel, rows, width, height)
        if number == 0:
            # They stand there; gnuplot would write them again with each panel.
            lines += ["unset label 10", "unset label 11"]
    return "\n".join(lines + ["unset multiplot", ""])


def draw(title, rows, panels, foot, base):
    """BASE.svg and BASE.png; their names."""
    paths = [base + ending for ending in TERMINALS]
    for path in paths:
        try:
            subprocess.run(["gnuplot", "-"], check=True, text=True,
                           input=script(title, rows, panels, foot, path))
        except FileNotFoundError as error:
            raise NoGnuplot("no gnuplot, so no chart: apt-get install gnuplot-nox"
                            ) from error
    return paths
