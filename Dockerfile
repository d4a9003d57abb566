# Two stages: the first installs what requirements/run.lock pins, hashes checked; the second holds the result and no tools to build with.
FROM python:3.11.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/millrace
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN pip --python /opt/millrace/bin/python install --quiet --no-deps --require-hashes -r requirements/run.lock
COPY pyproject.toml LICENSE README.md ./
COPY adapters adapters
COPY canonical canonical
COPY config config
COPY ledger ledger
COPY routing routing
COPY tasks tasks
COPY telemetry telemetry
COPY workers workers
RUN pip --python /opt/millrace/bin/python install --quiet --no-deps --no-build-isolation . \
 && pip --python /opt/millrace/bin/python uninstall --quiet --yes setuptools \
 && /opt/millrace/bin/python -m compileall -q /opt/millrace/lib
COPY deploy/millrace-healthy /opt/millrace/bin/millrace-healthy

FROM python:3.11.13-slim-bookworm

LABEL org.opencontainers.image.title="millrace" \
      org.opencontainers.image.description="Feeds an ERP with orders at the rate it can grind" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN pip uninstall --quiet --yes --root-user-action=ignore setuptools wheel pip \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin millrace
COPY --from=build /opt/millrace /opt/millrace
ENV PATH=/opt/millrace/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
STOPSIGNAL SIGTERM
# For the receiver; docker-compose.yml gives every other role its own.
EXPOSE 8700
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["millrace-healthy", "http://127.0.0.1:8700/ready"]
ENTRYPOINT ["millrace"]
CMD ["--help"]
