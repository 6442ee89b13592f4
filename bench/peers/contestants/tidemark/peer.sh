# Tidemark from this tree: exactly once into PostgreSQL, ledger and dead letters on, HTTP off as for the others.
# Variants: no-geo (every place unknown; compared without places) · no-guarantee (same program, commits that only append: no fencing, offsets or
# ledger; see append_only_store.ts) · workers=N · before (the program of the checkout in the folder BEFORE) · breakdowns (everything that
# BREAKDOWNS can count; all other variants count the job's rows alone, as the rivals do).
variants=("" "no-geo" "no-guarantee")
sentinels=with-data
prepare() { tool_deno; }
run() {
  # The schema is named like the role, so that the harness' own search path finds the table in it.
  psql -q -c 'drop schema if exists bench cascade' -c 'create schema bench' -c 'drop table if exists public.aggregated_web_traffic' >/dev/null 2>&1
  case $VARIANT in before) cd "$BEFORE" ;; *) cd "${TREE:-$HERE/../..}" ;; esac
  export KAFKA_TOPIC=$TOPIC KAFKA_GROUP=$GROUP GEO_DATABASE=$MMDB DATA_DIR=$STATE_DIR/data POSTGRES_SCHEMA=bench
  [ -n "${WINDOW_SECONDS:-}" ] && export WINDOW_SIZE=${WINDOW_SECONDS}s WATERMARK_DELAY=${DELAY_SECONDS}s
  case $VARIANT in workers=*) export WORKERS=${VARIANT#workers=} ;; esac
  case $VARIANT in breakdowns) ;; *) export BREAKDOWNS=none ;; esac
  local program=src/main.ts
  case $VARIANT in no-*) program=bench/peers/contestants/tidemark/variant.ts ;; esac
  # The V8 flags are those of `deno task run`.
  exec "$DENO" run -A ${PROFILE:+--cpu-prof --cpu-prof-dir="$PROFILE"} --v8-flags=--max-semi-space-size=4,--expose-gc,--no-concurrent-array-buffer-sweeping "$program" run --no-http
}
cleanup() { [ -n "${KEEP_TABLE:-}" ] || psql -q -c 'drop schema if exists bench cascade' >/dev/null 2>&1; }
