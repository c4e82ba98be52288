# One image for all our workers: `docker run byoc-streams connect …`, `… streams …`, `… simulate …`.
FROM python:3.11-slim AS build

WORKDIR /src
RUN python -m venv /opt/byoc
ENV PATH=/opt/byoc/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

COPY requirements requirements
RUN pip install --require-hashes -r requirements/runtime.txt

# The build tool itself comes with its hash, too; only its block of the development requirements is needed.
RUN sed -n '/^setuptools==/,/^    # via/p' requirements/dev.txt > /tmp/build.txt \
    && pip install --require-hashes -r /tmp/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY connectors connectors
COPY streams streams
COPY simulator simulator
COPY byoc byoc
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11-slim

LABEL org.opencontainers.image.title="byoc-streams" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/byoc /opt/byoc
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/byoc byoc
ENV PATH=/opt/byoc/bin:$PATH PYTHONUNBUFFERED=1 BYOC_HOME=/var/lib/byoc BYOC_DATA_DIR=/var/lib/byoc/streams
WORKDIR /var/lib/byoc
USER 10001:10001

# Workers finish their transactions on SIGTERM; nothing of them is lost when they cannot.
STOPSIGNAL SIGTERM
ENTRYPOINT ["byoc"]
CMD ["--help"]
