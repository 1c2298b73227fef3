#!/usr/bin/env bash
# Runs a command with a throwaway PostgreSQL on 127.0.0.1 and its address in TEST_POSTGRES_URL; without one where none can be had, saying why.
#   bash tests/with_postgres.sh python -m pytest
set -uo pipefail

if [ -n "${TEST_POSTGRES_URL:-}" ]; then exec "$@"; fi

find_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true; }
without() { echo "PostgreSQL tests are skipped: $1" >&2; exec "${command[@]}"; }

command=("$@")
bin="$(find_bin)"
if [ -z "$bin" ] && command -v initdb >/dev/null; then bin="$(dirname "$(command -v initdb)")"; fi
if [ -z "$bin" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing PostgreSQL for the tests" >&2
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql) >/dev/null 2>&1
  bin="$(find_bin)"
fi
[ -n "$bin" ] || without "no server is installed (Debian: apt-get install postgresql)"

# The server refuses to run as root, so that root lends it to the user that the package made.
run() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
folder="$(mktemp -d)"
if [ "$(id -u)" = 0 ]; then chown postgres "$folder" || without "there is no user postgres"; fi
stop() { run "$bin/pg_ctl" -D "$folder/db" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"; }
trap stop EXIT
port=$(( 20000 + RANDOM % 20000 ))
(cd "$folder" && run "$bin/initdb" -D "$folder/db" -A trust -U tester -E UTF8 --locale=C.UTF-8) >/dev/null 2>&1 || { stop; trap - EXIT; without "initdb failed"; }
(cd "$folder" && run "$bin/pg_ctl" -D "$folder/db" -w -l "$folder/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off" start) >/dev/null 2>&1 \
  || { stop; trap - EXIT; without "the server did not start"; }
TEST_POSTGRES_URL="postgresql+psycopg://tester@127.0.0.1:$port/postgres" "$@"
