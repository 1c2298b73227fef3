#!/usr/bin/env bash
# Runs a command beside a throw-away PostgreSQL: bash tests/with_postgres.sh python -m pytest tests/store
# Exports TEST_POSTGRES_URL; one that is set already is used as it is. Where no server can be had, says why and runs the command without.
set -uo pipefail

PORT="${TEST_POSTGRES_PORT:-}"
home=""

without() {
  echo "no PostgreSQL for the tests: $1; those marked postgres are skipped" >&2
}

find_bin() {
  local candidate
  for candidate in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb 2>/dev/null)" 2>/dev/null)"; do
    if [ -x "$candidate/initdb" ] && [ -x "$candidate/pg_ctl" ]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

install_server() {
  [ "$(id -u)" = 0 ] || { without "it is not installed, and only root can install it (apt-get install postgresql)"; return 1; }
  command -v apt-get >/dev/null || { without "it is not installed, and there is no apt-get"; return 1; }
  echo "installing PostgreSQL for the tests" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >/dev/null 2>&1 \
    || { without "apt-get could not install it"; return 1; }
}

# The server refuses to run as root: root starts it as the user that Debian's package made.
as_owner() {
  if [ "$(id -u)" = 0 ]; then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

free_port() {
  local port
  for port in $(seq 54329 54429); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
  done
  return 1
}

stop_server() {
  [ -n "$home" ] || return 0
  (cd / && as_owner "$bin/pg_ctl" -D "$home/data" -m immediate stop) >/dev/null 2>&1
  rm -rf "$home"
  home=""
}

# Durability is off: nobody will miss this data. A password keeps the machine's other users out while the tests run.
start_server() {
  if ! bin="$(find_bin)"; then
    install_server || return 1
    bin="$(find_bin)" || { without "initdb was not found after installing it"; return 1; }
  fi
  if [ "$(id -u)" = 0 ] && ! id postgres >/dev/null 2>&1; then
    without "it cannot run as root, and there is no user postgres"
    return 1
  fi
  [ -n "$PORT" ] || PORT="$(free_port)" || { without "no port is free"; return 1; }
  home="$(mktemp -d "${TMPDIR:-/tmp}/postgres-XXXXXX")"
  local log="$home/start.log" password
  password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  (umask 077 && echo "$password" >"$home/password")
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$home"
  fi
  if ! (cd / && as_owner "$bin/initdb" -D "$home/data" -U tester --auth=scram-sha-256 --pwfile="$home/password" --encoding=UTF8 --locale=C --no-sync) >"$log" 2>&1 \
    || ! (cd / && as_owner "$bin/pg_ctl" -D "$home/data" -w -t 30 -l "$home/server.log" \
      -o "-h 127.0.0.1 -p $PORT -k $home -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start) >>"$log" 2>&1; then
    without "it did not start: $(tail -n 1 "$log")"
    stop_server
    return 1
  fi
  export TEST_POSTGRES_URL="postgresql+psycopg://tester:$password@127.0.0.1:$PORT/postgres"
}

if [ "$#" -eq 0 ]; then
  echo "usage: bash tests/with_postgres.sh COMMAND [ARGUMENTS]" >&2
  exit 2
fi
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -z "${TEST_POSTGRES_URL:-}" ]; then
  start_server || true
fi
"$@"
