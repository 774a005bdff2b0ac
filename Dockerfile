# The project, with its environment: for a study on Kubernetes (docs/cluster.md), or to try it.
#
#   git clone . ../image && docker build --tag autoencoders ../image
#   docker run --rm autoencoders make experiment NAME=smoke
FROM python:3.11-slim

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 researcher \
 && install --directory --owner 1000 /project

USER 1000
WORKDIR /project
# Alone, so that an edit of the code does not install everything again.
COPY --chown=1000 Makefile requirements.lock ./
RUN make .venv/complete
COPY --chown=1000 . .
RUN make setup
CMD ["make", "help"]
