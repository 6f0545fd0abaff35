"""The cards of report.html: each module makes one from the content of results.json, and "" where that has no such part.

Colours come from the page's style sheet, so they follow light and dark; only the heat map's scale is fixed.
"""
