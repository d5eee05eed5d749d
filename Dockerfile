# syntax=docker/dockerfile:1
# docker build --tag session-store .
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/session-store
COPY requirements.lock requirements-traces.lock ./
ARG LOCK=requirements.lock
RUN /opt/session-store/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r "$LOCK"
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY deploy/launcher deploy/launcher
COPY sql sql
COPY worker worker
RUN /opt/session-store/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/session-store /opt/session-store
ENV PATH=/opt/session-store/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SESSION_STORE_HTTP_HOST=0.0.0.0 \
    SESSION_STORE_HTTP_PORT=9464
EXPOSE 9464
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/readyz')"]
ENTRYPOINT ["session-store"]
CMD ["run"]
