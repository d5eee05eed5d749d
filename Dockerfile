# docker build --tag session-store .
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
RUN python -m venv --without-pip /opt/session-store
COPY requirements.lock requirements-traces.lock requirements-parquet.lock ./
ARG LOCK=requirements.lock
RUN python -m pip --python /opt/session-store/bin/python install \
    --no-cache-dir --only-binary :all: --require-hashes -r "$LOCK"
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY deploy/launcher deploy/launcher
COPY sql sql
COPY worker worker
RUN python -m pip --python /opt/session-store/bin/python install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE}
# A worker installs nothing and becomes nobody else: no pip, and no program that runs with another's rights.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
        /usr/lib/python3/dist-packages/pip* /usr/bin/pip* /usr/lib/python3*/ensurepip /usr/share/python-wheels
COPY --from=build /opt/session-store /opt/session-store
ARG VERSION=0.1.0
ARG SOURCE=
LABEL org.opencontainers.image.title="session-store" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/session-store/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SESSION_STORE_HTTP_HOST=0.0.0.0 \
    SESSION_STORE_HTTP_PORT=9464
EXPOSE 9464
USER 10001:10001
# Without the library for URLs: its import costs three times as much processor time as the whole check.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
    CMD ["python", "-IS", "-c", "import os, socket\nport = int(os.environ['SESSION_STORE_HTTP_PORT'])\nasked = socket.create_connection(('127.0.0.1', port), 9)\nasked.sendall(b'GET /readyz HTTP/1.0\\r\\n\\r\\n')\nanswer = asked.makefile('rb').readline().decode()\nraise SystemExit(None if ' 200 ' in answer else answer)"]
ENTRYPOINT ["session-store"]
CMD ["run"]
