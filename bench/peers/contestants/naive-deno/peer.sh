# Naive TypeScript: Deno + kafkajs + npm maxmind + postgres.js, with the versions of this repository. Delivery: none promised.
variants=("")
sentinels=with-data
prepare() { tool_deno; }
run() {
  cd "$HERE/../.."
  exec "$DENO" run -A bench/peers/contestants/naive-deno/main.ts
}
