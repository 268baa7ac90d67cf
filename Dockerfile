# A run as a service: the serving install alone, no TensorFlow, no compiler, not root.
#
#   docker build -t pawsight .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 3g \
#     -p 127.0.0.1:8000:8000 -v "$PWD/runs:/runs:ro" pawsight
#
# Another run, limits, or the name of a proxy (docs/serving.md): add to the last line,
# e.g. pawsight serve /runs/003 --host 0.0.0.0 --queue 200 --allow-host cats.example
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAWSIGHT_CACHE=/tmp/pawsight \
    MPLCONFIGDIR=/tmp/matplotlib

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin pawsight

COPY pyproject.toml constraints.txt README.md LICENSE /build/
COPY src /build/src
RUN python -m pip install --no-cache-dir --constraint /build/constraints.txt "/build[serve]" && rm -rf /build

USER 10001
WORKDIR /runs
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["pawsight", "serve", "/runs/latest", "--host", "0.0.0.0"]
