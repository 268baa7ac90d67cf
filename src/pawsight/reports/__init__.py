"""Reports: run records, charts, and pages as HTML, Markdown and JSON. Figures are computed in `evaluation`."""
