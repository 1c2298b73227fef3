#!/usr/bin/env bash
# Starts Model Discovery: makes the virtual environment when it is missing, then serves the app and a worker until Ctrl-C.
#   bash run_demo.sh [--port 8501] [--host 127.0.0.1] [--check]
# Environment: PYTHON (which interpreter), VENV (default .venv), DATA_DIR, CKPT_DIR, PORT. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tests/environment.sh
make_environment requirements.txt
exec "$VENV/bin/python" -m core serve "$@"
