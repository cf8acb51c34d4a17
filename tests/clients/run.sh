#!/usr/bin/env bash
# Runs the client scenarios against the built binary. Arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
exec ../../.clients/python/bin/python -m pytest -p no:cacheprovider --durations=8 -ra "$@"
