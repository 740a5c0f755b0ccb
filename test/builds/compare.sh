#!/usr/bin/env bash
# compare.sh PROGRAM ...: runs each program on the same 20,000 random documents. Prints a line for each, and the first difference.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
place=$(dirname "$1") differ=0
python3 "$here/corpus.py" "${CALLHARDENING_SEED:-1}" 20000 >"$place/corpus"
for program; do
    "$program" <"$place/corpus" >"$program.out"
    if cmp "$1.out" "$program.out"; then
        echo "ok - ${program##*/}: $(sha256sum <"$program.out" | cut -c 1-16), $(grep -vc '^left to jsonb$' "$program.out") results"
    else
        echo "not ok - ${program##*/}"
        differ=1
    fi
done
exit "$differ"
