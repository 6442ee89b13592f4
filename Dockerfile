# syntax=docker/dockerfile:1
# One permission-scoped binary on an image without shell or package manager.
FROM denoland/deno:2.9.6 AS build
WORKDIR /src
# Packages first: their layer lasts until deno.json or deno.lock changes.
COPY deno.json deno.lock ./
COPY tests/support/std-assert tests/support/std-assert
RUN deno install --frozen
COPY . .
# Generic: the container's hosts are not known at build time; the container itself closes files and system calls.
# Its data folder is the one below, which is baked in as the only place to write.
RUN DATA_DIR=/data deno task compile --generic --output /out/tidemark && mkdir /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/tidemark /tidemark
# 65532 is the image's `nonroot`; a new volume on /data takes over the owner.
COPY --from=build --chown=65532:65532 /out/data /data
ENV DATA_DIR=/data HTTP_HOST=0.0.0.0 HTTP_PORT=8080 LOG_FORMAT=json
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 65532:65532
# Asks /livez of HTTP_PORT; readiness is for what routes traffic, a restart does not bring a broker back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/tidemark", "health"]
ENTRYPOINT ["/tidemark"]
CMD ["run"]
