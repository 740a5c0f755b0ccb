#!/usr/bin/env bash
# UPDATE of many calls: with the triggers of harden_calls, without triggers, and with the rules of such an UPDATE in PL/pgSQL
# (the directions, the graph, the call id; no provider's words and no sanitizer), in interleaved rounds of one run. Prints a
# markdown table: the median time, and the median of each round's ratio to no trigger.
#
#   test/bench/update.sh [rows] [rounds]        runs on the server that psql finds (PGHOST, PGUSER, ...)
set -eu
rows=${1:-100000} rounds=${2:-11}
schema=callhardening_bench_update template=callhardening_bench_template
times=$(mktemp)
trap 'rm -f "$times"; run -c "DROP SCHEMA IF EXISTS $schema, $template CASCADE"' EXIT

run() {
    PGOPTIONS="-c client_min_messages=error -c search_path=$schema,public" psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Milliseconds of a rolled back UPDATE. VACUUM then removes the new end of the table, so every round starts with the
# same table.
timed() {
    run -c '\timing off' -c "CHECKPOINT" -c "BEGIN" -c '\timing on' -c "UPDATE $1 $2" -c '\timing off' -c "ROLLBACK" -c "VACUUM $1" |
        sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}

# The table of a new installation, without its triggers.
create_table() {
    run -c "CREATE TABLE $1 (LIKE $template.calls INCLUDING ALL)" -c "ALTER TABLE $1 SET (autovacuum_enabled = off)"
}

# Ringing calls, with a payload as large as an ordinary event's.
fill_table() {
    run <<SQL
INSERT INTO $1 (dialpad_call_id, direction, status, from_number, to_number, started_at, duration_seconds, raw_payload)
SELECT 5000000000000000 + i, CASE i % 2 WHEN 0 THEN 'inbound' ELSE 'outbound' END, 'ringing', '+1415' || 5550000 + i, '+14155559999',
    '2026-01-01'::timestamptz + i * interval '1 second', i % 600,
    jsonb_build_object('call_id', 5000000000000000 + i, 'state', 'ringing', 'date_started', 1767225600000 + i * 1000, 'labels', '[]'::jsonb,
        'target', jsonb_build_object('id', i % 100, 'type', 'user', 'office_id', i % 7), 'mos_score', 4.4,
        'group_id', 'Department:' || i % 20)
FROM generate_series(1, $rows) AS i;
VACUUM (ANALYZE) $1;
SQL
}

create_plpgsql_rules() {
    run <<'SQL'
CREATE FUNCTION validate_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.direction := CASE lower(translate(NEW.direction, ' -_', ''))
        WHEN 'in' THEN 'inbound' WHEN 'inbound' THEN 'inbound' WHEN 'incoming' THEN 'inbound'
        WHEN 'out' THEN 'outbound' WHEN 'outbound' THEN 'outbound' WHEN 'outgoing' THEN 'outbound' END;
    IF TG_OP = 'INSERT' THEN
        RETURN NEW;
    END IF;
    NEW.direction := coalesce(NEW.direction, OLD.direction);
    NEW.status := coalesce(NEW.status, OLD.status);
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status = 'ringing' AND NEW.status IN ('active', 'ended', 'missed', 'rejected', 'voicemail'))
        OR (OLD.status = 'active' AND NEW.status IN ('ended', 'voicemail')))
    THEN
        RAISE WARNING 'Invalid status transition: "%" to "%"', OLD.status, NEW.status;
        NEW.status := OLD.status;
    END IF;
    IF NEW.dialpad_call_id <> OLD.dialpad_call_id THEN
        NEW.dialpad_call_id := OLD.dialpad_call_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION refuse_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.direction NOT IN ('inbound', 'outbound') OR NEW.dialpad_call_id <> OLD.dialpad_call_id
        OR NEW.status <> OLD.status AND NOT (
            (OLD.status = 'ringing' AND NEW.status IN ('active', 'ended', 'missed', 'rejected', 'voicemail'))
            OR (OLD.status = 'active' AND NEW.status IN ('ended', 'voicemail')))
    THEN
        RAISE check_violation USING MESSAGE = 'invalid status transition';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER validate BEFORE INSERT OR UPDATE ON calls_plpgsql FOR EACH ROW EXECUTE FUNCTION validate_call();
CREATE TRIGGER refuse AFTER UPDATE ON calls_plpgsql FOR EACH ROW EXECUTE FUNCTION refuse_call();
SQL
}

# Of column $3 in the lines of one measurement and one table: 4 is milliseconds, 5 the ratio within the round.
median() {
    awk '$1 == "calls" { none[$2, $3] = $4 } { line[NR] = $0 }
        END { for (i = 1; i <= NR; ++i) { split(line[i], f, " "); print line[i], f[4] / none[f[2], f[3]] } }' "$times" |
        grep "^$2 $1 " | cut -d' ' -f"$3" | sort -n | sed -n "$(((rounds + 1) / 2))p"
}

run -c "DROP SCHEMA IF EXISTS $schema, $template CASCADE" -c "CREATE SCHEMA $schema" -c "CREATE SCHEMA $template" \
    -c "CREATE EXTENSION IF NOT EXISTS callhardening SCHEMA public" -c "SELECT create_call_tables('$template')" >/dev/null
for table in calls calls_hardened calls_plpgsql; do
    create_table $table
    fill_table $table
done
run -c "SELECT harden_calls('calls_hardened', provider => 'dialpad')" >/dev/null
create_plpgsql_rules

declare -A statement=(
    [status]="SET status = 'ended'"
    [other]="SET duration_seconds = duration_seconds + 1")
declare -A title=(
    [status]="status of every call"
    [other]="a column that is not watched")

for table in calls calls_hardened calls_plpgsql; do
    timed $table "${statement[status]}" >/dev/null
done
for ((round = 0; round < rounds; ++round)); do
    for what in status other; do
        # The order rotates, so that no table always gains from the state its predecessor leaves.
        order=(calls calls_hardened calls_plpgsql calls calls_hardened)
        for table in "${order[@]:round % 3:3}"; do
            echo "$table $what $round $(timed "$table" "${statement[$what]}")" >>"$times"
        done
    done
done

echo "| UPDATE of $rows calls | no trigger | callhardening | PL/pgSQL | callhardening / none | PL/pgSQL / none |"
echo "|---|---|---|---|---|---|"
for what in status other; do
    printf '| %s | %.0f ms | %.0f ms | %.0f ms | %.2f | %.2f |\n' "${title[$what]}" "$(median $what calls 4)" \
        "$(median $what calls_hardened 4)" "$(median $what calls_plpgsql 4)" \
        "$(median $what calls_hardened 5)" "$(median $what calls_plpgsql 5)"
done
