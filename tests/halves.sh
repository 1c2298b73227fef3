#!/usr/bin/env bash
# All tests, in two halves beside each other. Some look at what is left running: they are in the second half, and come when the first one has done with the few sandboxed
# processes that it starts.
#   bash tests/halves.sh PYTHON
set -uo pipefail
alone=(tests/agents tests/app tests/store tests/jobs tests/llm tests/statistics tests/selection tests/browser)
log="$(mktemp "${TMPDIR:-/tmp}/halves-XXXXXX")"
first_half=(-o cache_dir=.pytest_cache/first)
"$1" -m pytest "${first_half[@]}" "${alone[@]}" >"$log" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null; rm -f "$log"' EXIT
"$1" -m pytest "${alone[@]/#/--ignore=}"
rest=$?
wait "$beside"
first=$?
cat "$log"
if [ "$first" -ne 0 ]; then
  echo "once more, with nothing beside it: what failed in the first half"   # a browser on a busy machine may miss a click
  "$1" -m pytest "${first_half[@]}" --last-failed "${alone[@]}"
  first=$?
fi
[ "$rest" -eq 0 ] && [ "$first" -eq 0 ]
