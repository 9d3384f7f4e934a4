# The server alone: it needs a PostgreSQL 15 or later (USAGE_FEED_DATABASE_URL).

FROM node:20-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY schema/schema.graphql /build/schema/
COPY web/ ./
RUN npm run build

FROM python:3.11-slim-bookworm AS packages
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
        -r requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home usage-feed
WORKDIR /srv/usage-feed
COPY --from=packages /venv /venv
COPY app app
COPY schema schema
COPY resolvers resolvers
COPY subscriptions subscriptions
COPY models models
COPY --from=web /build/web/dist web/dist
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 USAGE_FEED_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('USAGE_FEED_PORT', '8000') + '/healthz', timeout=2)"]
CMD ["python", "-m", "app", "serve"]
