#!/usr/bin/env bash
# Everything in one: tools, broker, PostgreSQL, topic, peers, verification, table. Usage: run.sh [peer[:variant] ...]; see README.md.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUNS=${RUNS:-3}
RESULTS=${RESULTS:-$LAB/results-$(basename "$ORACLE").jsonl}
export BUILD
exec 9>"$LAB/lock"
flock -n 9 || { say "another run uses $LAB: both would write the same table"; exit 3; }

peers=("$@")
if [ ${#peers[@]} = 0 ]; then for d in "$HERE"/contestants/*/; do peers+=("$(basename "$d")"); done; fi
names=$(printf '%s\n' "${peers[@]%%:*}" | sort -u)
for p in $names; do [ -f "$HERE/contestants/$p/peer.sh" ] || { say "no such peer: $p"; exit 2; }; done

tool_mmdb
tool_gen
kafka_up
pg_up
[ -z "${KEEP_UP:-}" ] && trap stop_all EXIT

if [ "$(cat "$ORACLE/filled" 2>/dev/null)" != "$TOPIC $(end_offsets "$TOPIC")" ]; then
  say "filling $TOPIC with $EVENTS events"
  fill "$TOPIC" -oracle "$ORACLE"
  echo "$TOPIC $(end_offsets "$TOPIC")" >"$ORACLE/filled"
fi

for p in $names; do (. "$HERE/contestants/$p/peer.sh"; say "prepare $p"; prepare); done
tool_deno

for i in $(seq "$RUNS"); do # interleaved
  for arg in "${peers[@]}"; do
    (
      p=${arg%%:*}
      . "$HERE/contestants/$p/peer.sh"
      case $arg in *:*) variants=("${arg#*:}") ;; esac
      for v in "${variants[@]}"; do
        topic=$TOPIC late=""
        if [ "$sentinels" = after-drain ]; then
          topic=$TOPIC-late
          say "filling $topic without the closing events (for $p)"
          fill "$topic" -sentinels=false
          late="'$BUILD/gen/gen' -n $EVENTS -seed $SEED -mmdb '$MMDB' -brokers $KAFKA_URL -topic $topic $GEN -events=false"
        fi
        say "run $i: $p $v"
        python3 "$HERE/measure.py" --peer "$p" --variant "$v" --topic "$topic" --oracle "$ORACLE" --results "$RESULTS" --logs "$LAB/logs" \
          --broker-pid "$(cat "$LAB/kafka/broker.pid")" --pg-pid "$(head -1 "$LAB/pg/postmaster.pid")" \
          --after-drain "$late" -- bash "$HERE/runpeer.sh" "$p" || say "run failed: $p $v"
        rm -rf "$LAB/state"
        if declare -F cleanup >/dev/null; then cleanup; fi
      done
    )
  done
done
python3 "$HERE/report.py" "$RESULTS"
