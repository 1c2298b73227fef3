# Sourced by run_demo.sh and tests/run.sh: make_environment FILE… leaves a virtual environment at $VENV with those requirements.

VENV="${VENV:-.venv}"

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: no Python 3.11, 3.12 or 3.13 was found — install one, or set PYTHON to it" >&2
  return 1
}

# A stamp of what was installed makes the second start skip all of this.
make_environment() {
  local python stamp wanted
  stamp="$VENV/.installed"
  wanted="$(cat "$@" | cksum)"
  if [ -x "$VENV/bin/python" ] && [ -f "$stamp" ] && grep -qxF "$wanted" "$stamp" && "$VENV/bin/python" -c '' 2>/dev/null; then
    return
  fi
  python="$(find_python)"
  if command -v uv >/dev/null 2>&1; then
    echo "1/2 virtual environment in $VENV ($("$python" --version), with uv)"
    [ -x "$VENV/bin/python" ] || uv venv --quiet --python "$python" "$VENV"
    echo "2/2 packages (some minutes the first time)"
    local file
    for file in "$@"; do VIRTUAL_ENV="$VENV" uv pip install --quiet -r "$file"; done
  else
    echo "1/2 virtual environment in $VENV ($("$python" --version))"
    if ! [ -x "$VENV/bin/python" ] && ! "$python" -m venv "$VENV"; then
      echo "error: $python cannot make a virtual environment — on Debian and Ubuntu: apt-get install python3-venv" >&2
      return 1
    fi
    echo "2/2 packages (some minutes the first time)"
    local file
    for file in "$@"; do "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --progress-bar on -r "$file"; done
  fi
  echo "$wanted" >> "$stamp"
}
