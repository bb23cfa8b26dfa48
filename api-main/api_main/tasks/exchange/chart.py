"""The statistics as a picture, in the owner's language: SVG 1.1, without scripts, styles or anything from elsewhere."""

from collections.abc import Iterator
from datetime import date
from html import escape

from babel.dates import format_date
from babel.numbers import format_decimal

from api_main.core.i18n import RIGHT_TO_LEFT, _, plural, say, spoken_language
from api_main.tasks.exchange.statistics import AGES, Statistics

WIDTH, HEIGHT, MARGIN = 720, 400, 48
PLOT_BOTTOM = 220
BAR_TOP, BAR_HEIGHT, BAR_STEP, LABELS = 272, 16, 24, 150
AGE_NAMES = dict(
    zip(
        AGES,
        (_("under 1 day"), _("1 to 6 days"), _("7 to 29 days"), _("30 to 89 days"), _("90 days and more")),
        strict=True,
    )
)
INK, FAINT, LINE, BAR = "#1f2933", "#cbd2d9", "#2563eb", "#60a5fa"


def draw(statistics: Statistics) -> str:
    """Burn-down above, ages of the open tasks below."""
    parts = [*_frame(statistics), *_burn_down(statistics), *_ages(statistics)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' xml:lang="{spoken_language()}" font-family="sans-serif" font-size="12" fill="{INK}" role="img">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _frame(statistics: Statistics) -> Iterator[str]:
    summary = say(
        plural(
            "{open} open of {total} task, {overdue} overdue",
            "{open} open of {total} tasks, {overdue} overdue",
            statistics.total,
            open=_number(statistics.open),
            total=_number(statistics.total),
            overdue=_number(statistics.overdue),
        )
    )
    yield f"<title>{summary}</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield _text(MARGIN, 24, summary, size=16)


def _burn_down(statistics: Statistics) -> Iterator[str]:
    days = statistics.burn_down
    most = max(1, *(day.open for day in days))
    across = (WIDTH - 2 * MARGIN) / max(1, len(days) - 1)
    down = (PLOT_BOTTOM - MARGIN) / most
    points = [(MARGIN + number * across, PLOT_BOTTOM - day.open * down) for number, day in enumerate(days)]
    yield _line(MARGIN, PLOT_BOTTOM, WIDTH - MARGIN, PLOT_BOTTOM)
    yield _line(MARGIN, MARGIN, WIDTH - MARGIN, MARGIN)
    yield _text(MARGIN - 8, MARGIN + 4, _number(most), anchor="end")
    yield _text(MARGIN - 8, PLOT_BOTTOM + 4, _number(0), anchor="end")
    yield _text(MARGIN, PLOT_BOTTOM + 18, _date(days[0].date))
    yield _text(WIDTH - MARGIN, PLOT_BOTTOM + 18, _date(days[-1].date), anchor="end")
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    x, y = points[-1]
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>'


def _ages(statistics: Statistics) -> Iterator[str]:
    ages = statistics.open_by_age
    wide = (WIDTH - 2 * MARGIN - LABELS) / max(1, *ages.values())
    yield _text(MARGIN, BAR_TOP - 12, say(_("Open tasks by age")), size=13)
    for number, (name, tasks) in enumerate(ages.items()):
        top = BAR_TOP + number * BAR_STEP
        yield _text(MARGIN, top + 12, say(AGE_NAMES[name]))
        width = tasks * wide
        yield f'<rect x="{MARGIN + LABELS}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{BAR}"/>'
        yield _text(MARGIN + LABELS + width + 6, top + 12, _number(tasks))


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start") -> str:
    direction = ""
    if spoken_language() in RIGHT_TO_LEFT:  # where a line begins on the right, its start is what was its end
        direction, anchor = ' direction="rtl"', "end" if anchor == "start" else "start"
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{direction}>{escape(words)}</text>'


def _number(number: int) -> str:
    return format_decimal(number, locale=spoken_language())


def _date(day: date) -> str:
    return format_date(day, "medium", locale=spoken_language())


def _line(left: float, top: float, right: float, bottom: float) -> str:
    return f'<line x1="{left}" y1="{top}" x2="{right}" y2="{bottom}" stroke="{FAINT}"/>'
