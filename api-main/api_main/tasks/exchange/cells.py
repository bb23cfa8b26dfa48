"""Cells of CSV that a spreadsheet would take for formulas.

What begins with one of these characters gets an apostrophe in front, which spreadsheets hide
(https://owasp.org/www-community/attacks/CSV_Injection); reading takes it away again. What begins with apostrophes
before such a character gets one more, so that reading gives back every text as it was.
"""

import re

BEGINS = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"  # the last four are the full-width forms of the first
FORMULA = re.compile(f"'*{BEGINS}")
ESCAPED = re.compile(f"'+{BEGINS}")


def escape(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


def unescape(text: str) -> str:
    return text[1:] if ESCAPED.match(text) else text
