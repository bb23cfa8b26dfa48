"""The statistics as a picture: SVG 1.1, without scripts, styles or anything from elsewhere."""

from collections.abc import Iterator

from api_main.tasks.exchange.statistics import Statistics

WIDTH, HEIGHT, MARGIN = 720, 400, 48
PLOT_BOTTOM = 220
BAR_TOP, BAR_HEIGHT, BAR_STEP, LABELS = 272, 16, 24, 150
INK, FAINT, LINE, BAR = "#1f2933", "#cbd2d9", "#2563eb", "#60a5fa"


def draw(statistics: Statistics) -> str:
    """Burn-down above, ages of the open tasks below."""
    parts = [*_frame(statistics), *_burn_down(statistics), *_ages(statistics)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="sans-serif" font-size="12" fill="{INK}" role="img">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _frame(statistics: Statistics) -> Iterator[str]:
    yield f"<title>Tasks: {statistics.open} open of {statistics.total}, {statistics.overdue} overdue</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield _text(
        MARGIN, 24, f"{statistics.open} open of {statistics.total} tasks, {statistics.overdue} overdue", size=16
    )


def _burn_down(statistics: Statistics) -> Iterator[str]:
    days = statistics.burn_down
    most = max(1, *(day.open for day in days))
    across = (WIDTH - 2 * MARGIN) / max(1, len(days) - 1)
    down = (PLOT_BOTTOM - MARGIN) / most
    points = [(MARGIN + number * across, PLOT_BOTTOM - day.open * down) for number, day in enumerate(days)]
    yield _line(MARGIN, PLOT_BOTTOM, WIDTH - MARGIN, PLOT_BOTTOM)
    yield _line(MARGIN, MARGIN, WIDTH - MARGIN, MARGIN)
    yield _text(MARGIN - 8, MARGIN + 4, str(most), anchor="end")
    yield _text(MARGIN - 8, PLOT_BOTTOM + 4, "0", anchor="end")
    yield _text(MARGIN, PLOT_BOTTOM + 18, days[0].date.isoformat())
    yield _text(WIDTH - MARGIN, PLOT_BOTTOM + 18, days[-1].date.isoformat(), anchor="end")
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    x, y = points[-1]
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>'


def _ages(statistics: Statistics) -> Iterator[str]:
    ages = statistics.open_by_age
    wide = (WIDTH - 2 * MARGIN - LABELS) / max(1, *ages.values())
    yield _text(MARGIN, BAR_TOP - 12, "Open tasks by age", size=13)
    for number, (name, tasks) in enumerate(ages.items()):
        top = BAR_TOP + number * BAR_STEP
        yield _text(MARGIN, top + 12, name)
        width = tasks * wide
        yield f'<rect x="{MARGIN + LABELS}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{BAR}"/>'
        yield _text(MARGIN + LABELS + width + 6, top + 12, str(tasks))


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{words}</text>'


def _line(left: float, top: float, right: float, bottom: float) -> str:
    return f'<line x1="{left}" y1="{top}" x2="{right}" y2="{bottom}" stroke="{FAINT}"/>'
