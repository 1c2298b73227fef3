#!/usr/bin/env bash
# All tests, in three lanes beside each other: most of a browser's and of a queue's time is waiting.
#   bash tests/lanes.sh PYTHON
set -uo pipefail
desk=(tests/browser tests/app)
loop=(tests/agents tests/store tests/jobs tests/llm tests/statistics tests/selection tests/papers tests/loop)
rest=("${desk[@]/#/--ignore=}" "${loop[@]/#/--ignore=}")
logs="$(mktemp -d "${TMPDIR:-/tmp}/lanes-XXXXXX")"
pytest=("$1" -m pytest -o)

# A browser on a busy machine may miss a click: what failed beside the others is tried once more with nothing beside it.
end() {    # NAME ITS-STATUS DIRECTORIES…
  cat "$logs/$1"
  [ "$2" -eq 0 ] && return
  echo "once more, with nothing beside it: what failed of $1"
  "${pytest[@]}" "cache_dir=.pytest_cache/$1" --last-failed "${@:3}"
}

"${pytest[@]}" cache_dir=.pytest_cache/desk "${desk[@]}" >"$logs/desk" 2>&1 &
beside_desk=$!
"${pytest[@]}" cache_dir=.pytest_cache/loop "${loop[@]}" >"$logs/loop" 2>&1 &
beside_loop=$!
trap 'kill "$beside_desk" "$beside_loop" 2>/dev/null; rm -rf "$logs"' EXIT
status=0
"${pytest[@]}" cache_dir=.pytest_cache/rest "${rest[@]}" || status=1
wait "$beside_loop"; loop_status=$?
wait "$beside_desk"; desk_status=$?
end loop "$loop_status" "${loop[@]}" || status=1
end desk "$desk_status" "${desk[@]}" || status=1
exit "$status"
