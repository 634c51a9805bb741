# SPDX-License-Identifier: GPL-2.0
"""Horizontal bars, as SVG: one row each, panels side by side.

Each panel has a scale of its own, from 0: what is compared are the rows of one
panel, and the shape of one panel with that of the next.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

ROW_HEIGHT = 22
BAR_HEIGHT = 14
LABEL_WIDTH = 170
PANEL_BAR = 150         # the longest bar of a panel
PANEL_WIDTH = 240       # with the figure behind it
HEAD = 74
FOOT = 30
COLOURS = {"ours": "#1b6ca8", "peer": "#9aa5ad", "floor": "#d3d8db",
           "reference": "#c98a2b"}


@dataclass
class Panel:
    """TITLE above, {row: value} in UNIT, {row: word behind its figure}."""

    title: str
    unit: str
    values: dict
    notes: dict
    kinds: dict = None


@dataclass
class Bar:
    row: str
    index: int
    width: float
    value: float


def figure(value):
    """Three digits are what a measurement is good for."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def bars(panel, rows):
    """The bars of a panel, of those rows that it knows."""
    longest = max(panel.values.values(), default=0) or 1
    return [Bar(row, index, PANEL_BAR * panel.values[row] / longest,
                panel.values[row])
            for index, row in enumerate(rows) if row in panel.values]


def text(x, y, content, size=12, **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"'
                   for name, value in attributes.items())
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}"{more}>'
            f'{escape(content)}</text>')


def draw_panel(panel, rows, left):
    parts = [text(left, HEAD - 24, panel.title, 12, font_weight="bold"),
             text(left, HEAD - 9, panel.unit, 11, fill="#555"),
             f'<line x1="{left}" y1="{HEAD - 2}" x2="{left}" '
             f'y2="{HEAD + ROW_HEIGHT * len(rows)}" stroke="#888"/>']
    for bar in bars(panel, rows):
        top = HEAD + bar.index * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2
        colour = COLOURS[(panel.kinds or {}).get(bar.row, "peer")]
        label = figure(bar.value)
        note = panel.notes.get(bar.row)
        if note:
            label += f" {note}"
        parts.append(f'<rect x="{left}" y="{top:g}" width="{bar.width:.1f}" '
                     f'height="{BAR_HEIGHT}" fill="{colour}"/>')
        parts.append(text(left + bar.width + 4, top + BAR_HEIGHT - 3, label, 11))
    return parts


def svg(title, rows, panels, foot):
    """The whole picture."""
    width = LABEL_WIDTH + PANEL_WIDTH * len(panels) + 10
    height = HEAD + ROW_HEIGHT * len(rows) + FOOT
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="DejaVu Sans, sans-serif">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             text(10, 24, title, 15, font_weight="bold")]
    for index, row in enumerate(rows):
        top = HEAD + index * ROW_HEIGHT
        if index % 2:
            parts.append(f'<rect x="0" y="{top}" width="{width}" '
                         f'height="{ROW_HEIGHT}" fill="#f4f6f7"/>')
        parts.append(text(LABEL_WIDTH - 8, top + ROW_HEIGHT - 7, row, 12,
                          text_anchor="end"))
    for index, panel in enumerate(panels):
        parts += draw_panel(panel, rows, LABEL_WIDTH + index * PANEL_WIDTH)
    if foot:
        parts.append(text(10, height - 10, foot, 11, fill="#555"))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
