#!/usr/bin/env bash
# The price of an ordinary day: Tidemark and its rivals at live rates. What is measured, and the flags, are in live.ts. Starts the servers and
# builds the peers as bench/peers/run.sh does; LAB, PG_PORT and KAFKA_PORT as there. A peer `tidemark@FOLDER` measures another checkout.
. "$(dirname "${BASH_SOURCE[0]}")/peers/lib.sh"

words=("$@") peers=tidemark,flink,naive-deno
for i in "${!words[@]}"; do if [ "${words[i]}" = --peers ]; then peers=${words[i + 1]}; fi; done
exec 9>"$LAB/lock"
flock -n 9 || { say "another run uses $LAB: both would write the same table"; exit 3; }
tool_deno
tool_mmdb
kafka_up
pg_up
[ -z "${KEEP_UP:-}" ] && trap stop_all EXIT
for p in $(tr , '\n' <<<"$peers" | sed 's/@.*//' | sort -u); do (. "$HERE/contestants/$p/peer.sh"; say "prepare $p"; prepare); done
export BUILD
BROKER_PID=$(cat "$LAB/kafka/broker.pid") PG_PID=$(head -1 "$LAB/pg/postmaster.pid")
export BROKER_PID PG_PID
cd "$HERE/../.."
"$DENO" run -A --quiet bench/live.ts "$@" --peers "$peers" 9>&-
