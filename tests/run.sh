#!/usr/bin/env bash
# Everything the tests need, then the tests. Arguments go to pytest: bash tests/run.sh tests/store -k ledger
#   VENV (default .venv), CHROMIUM (a browser's path), TEST_POSTGRES_URL (a server to use; otherwise one is started where that is possible)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/environment.sh
make_environment requirements.txt tests/requirements.txt

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

find_browser() {
  local name
  for name in ${CHROMIUM:-} chromium chromium-browser google-chrome; do
    command -v "$name" && return
  done
  "$VENV/bin/python" - <<'PY'
import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    path = p.chromium.executable_path
    print(path) if os.path.exists(path) else sys.exit(1)
PY
}

if ! browser="$(find_browser)"; then
  echo "a browser is needed: installing chromium"
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    as_root env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get update -qq && apt-get install -y -qq chromium' >/dev/null \
      || "$VENV/bin/python" -m playwright install chromium
  else
    "$VENV/bin/python" -m playwright install chromium
  fi
  browser="$(find_browser)" || { echo "error: no browser could be installed — install Chromium, or set CHROMIUM to one" >&2; exit 1; }
fi
export CHROMIUM="$browser"

"$VENV/bin/ruff" check .
if [ "$#" -eq 0 ]; then
  exec bash tests/with_postgres.sh bash tests/lanes.sh "$VENV/bin/python"
fi
exec bash tests/with_postgres.sh "$VENV/bin/python" -m pytest "$@"
