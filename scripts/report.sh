#!/usr/bin/env bash
# Writes a report on the calls of a database, as one HTML file that loads nothing.
#
#   scripts/report.sh -o report.html                     of the database that psql would connect to
#   scripts/report.sh -h db1 -U monitor -d calls -o ...  options of a connection are those of psql
#
#   -o, --output FILE      the file; without it the report goes to the standard output
#   --since INTERVAL       how far back, as in '24 hours' (7 days unless said)
#   --call ID              shows the events of this call, instead of one that went wrong
#   --exact                reads large tables in full, instead of a sample of 64 MB
#
# Needs bash and psql, and a role with the task operate or monitor (grant_call_role).

set -euo pipefail

PARTS=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/report
OUTPUT='' SINCE='7 days' CALL='' EXACT=false CONNECTION=()

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit "$1"
}

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        -o | --output | --since | --call | -h | -p | -U | -d)
            [ $# -gt 1 ] || die "$1 needs a value"
            case $1 in
            -o | --output) OUTPUT=$2 ;;
            --since) SINCE=$2 ;;
            --call) CALL=$2 ;;
            *) CONNECTION+=("$1" "$2") ;;
            esac
            shift
            ;;
        --output=*) OUTPUT=${1#*=} ;;
        --since=*) SINCE=${1#*=} ;;
        --call=*) CALL=${1#*=} ;;
        --exact) EXACT=true ;;
        --help | -\?) usage 0 ;;
        -w | -W | --no-password | --password | --host=* | --port=* | --username=* | --dbname=*) CONNECTION+=("$1") ;;
        -*) usage 1 >&2 ;;
        *) CONNECTION+=("$1") ;;
        esac
        shift
    done
    [ -n "$OUTPUT" ] || [ ! -t 1 ] || die 'the standard output is a terminal: name a file with -o'
}

# One style and two scripts. Their hashes allow them and nothing else.
read_parts() {
    STYLE=$(cat "$PARTS/uPlot.min.css" "$PARTS/report.css")
    LIBRARY=$(cat "$PARTS/uPlot.iife.min.js")
    SCRIPT=$(cat "$PARTS/text.js" "$PARTS/charts.js" "$PARTS/report.js")
}

# Prints the hashes of the parts, and the report, a line each. In JSON \u003c is the same as <, and ends no element of
# HTML.
query() {
    PGCLIENTENCODING=UTF8 psql -X -q -A -t -v ON_ERROR_STOP=1 "${CONNECTION[@]}" \
        -v "style=$STYLE" -v "library=$LIBRARY" -v "script=$SCRIPT" \
        -v "since=$SINCE" -v "call=$CALL" -v "exact=$EXACT" <<'SQL'
SELECT count(*) AS installed, coalesce(min(quote_ident(n.nspname)), '') AS home
FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'callhardening' \gset
\if :installed
\else
    \warn 'the extension callhardening is not in this database'
    \quit
\endif
SELECT translate(encode(sha256(convert_to(part, 'UTF8')), 'base64'), E'\n', '')
FROM unnest(ARRAY[:'style', :'library', :'script']) WITH ORDINALITY AS p (part, place) ORDER BY place;
SELECT replace(replace(replace(replace(replace(report::text, '<', '\u003c'), '>', '\u003e'), '&', '\u0026'),
    chr(8232), '\u2028'), chr(8233), '\u2029')
FROM :home.call_report(:'since', nullif(:'call', ''), :'exact') AS report;
SQL
}

# page STYLE_HASH LIBRARY_HASH SCRIPT_HASH REPORT
page() {
    local policy="default-src 'none'; style-src 'sha256-$1'; script-src 'sha256-$2' 'sha256-$3'"
    printf '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    printf '<meta http-equiv="Content-Security-Policy" content="%s; base-uri '\''none'\''; form-action '\''none'\''">\n' "$policy"
    printf '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>callhardening report</title>\n'
    printf '<style>%s</style>\n</head>\n<body>\n' "$STYLE"
    cat "$PARTS/page.html"
    printf '<script type="application/json" id="data">%s</script>\n' "$4"
    printf '<script>%s</script>\n' "$LIBRARY" "$SCRIPT"
    printf '</body>\n</html>\n'
}

# The file appears when it is complete.
write() {
    if [ -z "$OUTPUT" ]; then
        page "$@"
        return
    elif [ -L "$OUTPUT" ] || { [ -e "$OUTPUT" ] && [ ! -f "$OUTPUT" ]; }; then
        page "$@" >"$OUTPUT" # a file moved here would replace /dev/stdout
        return
    fi
    UNFINISHED=$(mktemp "$OUTPUT.XXXXXX") || die "cannot write beside $OUTPUT"
    trap 'rm -f "$UNFINISHED"' EXIT
    page "$@" >"$UNFINISHED"
    chmod "$(printf '%o' $((0666 & ~$(umask))))" "$UNFINISHED"
    mv -f "$UNFINISHED" "$OUTPUT"
}

read_options "$@"
command -v psql >/dev/null || die 'psql is needed'
[ -r "$PARTS/report.js" ] || die "the parts of the page are not in $PARTS"
read_parts
ANSWER=$(query) || die 'there is no report'
mapfile -t ANSWERS <<<"$ANSWER"
[ "${#ANSWERS[@]}" -eq 4 ] || die 'there is no report'
write "${ANSWERS[@]}"
