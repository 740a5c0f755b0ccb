# Writes an update script: what a new install script has and a released one has not.
#
#   awk -f sql/update.awk RELEASED NEW sql/update.sql
#
# sql/update.sql is copied. Its line `-- changes` becomes the statements that only NEW has, in their order. A function or
# view that RELEASED has is replaced. A statement that begins as an `-- instead of` says is left out.

# Returns the quote that is open at the end of a line. It was open at the beginning if `quote` is given.
function open_quote(line, quote,    at) {
    for (;;) {
        if (quote != "") {
            at = index(line, quote)
            if (at == 0)
                return quote
            line = substr(line, at + length(quote))
            quote = ""
        } else {
            if (!match(line, /'|\$[a-z_]*\$|--/))
                return ""
            quote = substr(line, RSTART, RLENGTH)
            if (quote == "--")
                return ""
            line = substr(line, RSTART + RLENGTH)
        }
    }
}

function object_of(statement) {
    return match(statement, /^CREATE (FUNCTION|PROCEDURE|VIEW) [^ (]+/) ? substr(statement, RSTART, RLENGTH) : ""
}

function take(statement) {
    if (file == 2)
        added[++additions] = statement
    else {
        is_released[statement]
        if (object_of(statement) != "")
            is_released_object[object_of(statement)]
    }
}

function is_left_out(statement,    beginning) {
    gsub(/[ \n]+/, " ", statement)
    for (beginning in left_out)
        if (index(statement, beginning) == 1) {
            left_out[beginning]++
            return 1
        }
    return 0
}

function print_changes(    i) {
    for (i = 1; i <= additions; i++) {
        if (added[i] in is_released || is_left_out(added[i]))
            continue
        if (object_of(added[i]) in is_released_object)
            sub(/^CREATE /, "CREATE OR REPLACE ", added[i])
        print added[i] "\n"
    }
}

FNR == 1 { file++ }
file < 3 && statement == "" && (/^ *$/ || /^--/ || /^\\/) { next }
file < 3 {
    statement = statement == "" ? $0 : statement "\n" $0
    quote = open_quote($0, quote)
    if (quote == "" && /; *(--.*)?$/) {
        take(statement)
        statement = ""
    }
    next
}
sub(/^-- instead of: /, "") { left_out[$0] = 0; next }
$0 == "-- changes" { print_changes(); next }
{ print }

# What it names may have got another name.
END {
    for (beginning in left_out)
        if (left_out[beginning] != 1) {
            print "sql/update.sql: " left_out[beginning] " changed statements begin with: " beginning >"/dev/stderr"
            exit 1
        }
}
