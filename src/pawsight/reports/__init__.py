"""Run folders in, reports out: charts, pages, Markdown and JSON. The figures themselves are computed in evaluation."""
