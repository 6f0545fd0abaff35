"""The cards of report.html: each function makes one from the content of results.json, or "" if its part is missing."""
