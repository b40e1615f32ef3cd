"""Bar charts as SVG: one bar a server, the median, with a line from the lowest to the highest
round. Pure: figures in, text out.
"""

import statistics
from html import escape

WIDTH = 720
LEFT = 170
RIGHT = 110
BAR_HEIGHT = 22
BAR_STEP = 32
TOP = 52
OURS = "#0b6e99"
OTHERS = "#b8c4cc"
INK = "#24292f"


def number(value):
    """Three digits that count, thousands divided."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def bar_chart(title, unit, rows):
    """`rows` are (name, values over the rounds, whether it is ours)."""
    highest = max((max(values) for _, values, _ in rows), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / highest
    height = TOP + BAR_STEP * len(rows) + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="40" font-size="12">{escape(unit)}; bar: median, line: all rounds</text>',
    ]
    for index, (name, values, is_ours) in enumerate(rows):
        parts += bar(TOP + BAR_STEP * index, name, values, is_ours, scale)
    return "\n".join([*parts, "</svg>", ""])


def bar(top, name, values, is_ours, scale):
    """One of them."""
    middle = top + BAR_HEIGHT / 2
    median = statistics.median(values)
    low, high = (LEFT + scale * edge for edge in (min(values), max(values)))
    return [
        f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{max(scale * median, 1):.1f}" height="{BAR_HEIGHT}" '
        f'fill="{OURS if is_ours else OTHERS}"/>',
        f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="{INK}"/>',
        f'<text x="{high + 8:.1f}" y="{middle + 4:.1f}">{number(median)}</text>',
    ]
