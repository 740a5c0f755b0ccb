#!/usr/bin/env bash
# run.sh SECONDS TARGET ...: runs each target for this time, one for each processor at once. It makes the seeds first and
# prints a line for each target, with the output of a failing one.
set -euo pipefail

seconds=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
place=build/fuzz
python3 "$here/seeds.py" "$place/seeds"

export seconds place
fuzz() {
    local target=$1 log=$place/$1.log inputs
    mkdir -p "$place/corpus/$target" "$place/findings"
    if "$place/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$place/findings/$target-" "$place/corpus/$target" "$place/seeds/$target" >"$log" 2>&1; then
        inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "ok - $target: $inputs inputs, $(find "$place/corpus/$target" -type f | wc -l) kept"
    else
        tail -n 40 "$log"
        echo "not ok - $target: see $place/findings"
        return 1
    fi
}
export -f fuzz
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
