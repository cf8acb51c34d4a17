#!/usr/bin/env bash
# Installs the clients the scenarios use into .clients, without touching the system's own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)/.clients
mkdir -p "$home/js"

stamp=$(cat "$here/requirements.txt" "$here/js/package-lock.json" | sha256sum)
if [ "$(cat "$home/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

python3 -m venv --clear "$home/python"
"$home/python/bin/pip" --disable-pip-version-check --quiet install --requirement "$here/requirements.txt"

cp "$here/js/package.json" "$here/js/package-lock.json" "$here/js/.npmrc" "$home/js/"
(cd "$home/js" && npm ci --no-audit --no-fund --loglevel=error)

echo "$stamp" >"$home/stamp"
