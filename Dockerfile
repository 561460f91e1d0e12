FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY aps_exporter aps_exporter
# The environment gets no pip of its own: what isn't there needs no updates.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/aps-exporter \
    && pip --python /opt/aps-exporter/bin/python install --no-cache-dir \
        "$(ls /wheels/*.whl)[web-config]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="aps-exporter" \
      org.opencontainers.image.description="Prometheus exporter for APsystems ECUs" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10025 aps-exporter \
    && useradd --uid 10025 --gid 10025 --no-create-home --shell /usr/sbin/nologin aps-exporter \
    && install -d -o aps-exporter -g aps-exporter /var/lib/aps-exporter
COPY --from=build /opt/aps-exporter /opt/aps-exporter
ENV PATH=/opt/aps-exporter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/aps-exporter \
    APS_EXPORTER_SERVE_LISTEN=[::]:10025
# By number, so that Kubernetes can tell that it isn't root.
USER 10025:10025
VOLUME /var/lib/aps-exporter
EXPOSE 10025
HEALTHCHECK --interval=30s --timeout=8s --start-period=10s \
    CMD ["python", "-m", "aps_exporter.healthcheck"]
ENTRYPOINT ["aps-exporter"]
CMD ["serve"]
