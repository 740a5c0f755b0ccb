
# Large and deep documents: memory, time to cancel, and leaks.

use strict;
use warnings;

use IPC::Run;
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# CALLHARDENING_CALLS=1000000 makes the test of leaks long.
my $calls = $ENV{CALLHARDENING_CALLS} // 20_000;
my $megabyte = 1024 * 1024;

my $node = PostgreSQL::Test::Cluster->new('limits');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
# Shared memory counts as the backend's, so it is small. Uncompressed values have their real size.
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nshared_buffers = 1MB\nmax_parallel_workers_per_gather = 0");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE TABLE big (name text, body text, payload jsonb);
ALTER TABLE big ALTER body SET STORAGE EXTERNAL, ALTER payload SET STORAGE EXTERNAL;
INSERT INTO big (name, body)
SELECT 'nothing much', '{"a": 1}'
UNION ALL SELECT 'string', '{"a": "' || repeat('x', 50000000) || '"}'
UNION ALL SELECT 'string of secrets', '{"a": "' || repeat('password: x, Bearer abcdef1 eyJhbGci.', 1350000) || '"}'
UNION ALL SELECT 'string of numbers', '{"a": "' || repeat('+1 415 555 0100, a@b.example; ', 1600000) || '"}'
UNION ALL SELECT 'string of JSON', '{"custom_data": "' || repeat('[{\"a\":1},', 5000000) || '"}'
UNION ALL SELECT 'string of escapes', '{"a": "' || repeat('\u00e4\n', 6000000) || '"}'
UNION ALL SELECT 'name', '{"' || repeat('x', 50000000) || '": 1}'
UNION ALL SELECT 'items', '[' || repeat('1,', 999999) || '1]'
UNION ALL SELECT 'kept items', '{"call_id": [' || repeat('[1],', 1000000) || '1]}'
UNION ALL SELECT 'items of a member', '{"a": [' || repeat('{"b": "c"},', 1000000) || '1]}'
UNION ALL SELECT 'members', '{' || string_agg(format('"m%s": %s', i, i), ',') || '}' FROM generate_series(1, 100000) AS i
UNION ALL SELECT 'many members', '{' || string_agg(format('"a member with a name %s": "and a value %s"', i, i), ',') || '}'
    FROM generate_series(1, 800000) AS i
UNION ALL SELECT 'levels', repeat('{"a":', 6000) || '1' || repeat('}', 6000)
UNION ALL SELECT 'events', '{"a": [' || string_agg(format(
    '{"call_id": %s, "state": "hangup", "phone": "+14155550100", "note": null, "labels": [1, 2, {"x": "y"}]}', i), ',') || ']}'
    FROM generate_series(1, 100000) AS i
UNION ALL SELECT 'numbers', '[' || repeat('1e131071,', 999) || '1e131071]';
UPDATE big SET payload = body::jsonb;
-- As jsonb this document would need more than a gigabyte.
INSERT INTO big (name, body) SELECT 'fifty megabytes', '[' || repeat(substr(body, 8, length(body) - 9) || ',', 5) || '1]'
    FROM big WHERE name = 'events'});

# ---- memory ------------------------------------------------------------------------------------------

my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')};

# The growth of a session in kilobytes, compared with one that did the same to a tiny document.
sub growth
{
	my ($name, $expression) = @_;
	my $statement = "SELECT octet_length(($expression)::text) FROM big WHERE name =";
	my (undef, $before, undef, $after) =
	  split /\n/, $node->safe_psql('postgres', "$statement 'nothing much'; $peak; $statement '$name'; $peak");
	return $after - $before;
}

SKIP:
{
	skip 'there is no /proc', 2 unless -r '/proc/self/status';
	for my $form ([ 'payload', 'sanitize_call_payload(payload)' ], [ 'body', 'sanitize_call_payload(body)' ])
	{
		my ($column, $expression) = @$form;
		my @excess;
		for my $name (split /\n/, $node->safe_psql('postgres', "SELECT name FROM big WHERE $column IS NOT NULL AND name <> 'nothing much'"))
		{
			my $size = $node->safe_psql('postgres', "SELECT pg_column_size($column) FROM big WHERE name = '$name'");
			my $grown = 1024 * growth($name, $expression);
			# So deep that jsonb must check the text, with its own memory.
			$size += 1024 * growth($name, 'body::jsonb') if $name eq 'levels';
			push @excess, sprintf('%s: %.1f MB for %.1f', $name, $grown / $megabyte, $size / $megabyte)
			  if $grown > 4 * $size + $megabyte;
			note(sprintf('%-20s %-8s %6.1f MB, the session grows by %6.1f MB', $name, $column, $size / $megabyte, $grown / $megabyte));
		}
		is(join('; ', @excess), '', "the session grows by at most four times the input and a megabyte, from $column");
	}
}

# ---- deep documents ----------------------------------------------------------------------------------------

my ($stdout, $stderr);
my @deep = ("(repeat('[', 100000) || repeat(']', 100000))::jsonb",
	"repeat('[', 100000) || repeat(']', 100000)", "repeat('{\"a\":', 100000)");
for my $expression (@deep)
{
	$node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT sanitize_call_payload($expression);\nSELECT sanitize_call_payload('[1]'::jsonb);",
		on_error_stop => 0, stdout => \$stdout, stderr => \$stderr);
	like($stderr, qr/54001/, "this is too deep: $expression");
	is($stdout, '[1]', 'the session goes on');
}

# ---- cancelling ---------------------------------------------------------------------------------------------

# Other programs do not count in the processor time of a session.
my $spent = q{SELECT 'spent ' || split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);};

# Seconds of processor time from a cancel to the answer. The signal is that of pg_cancel_backend, which would take the time
# of a new session.
sub cancel
{
	my ($sql, $after) = @_;
	my ($in, $out, $err) = ("SELECT pg_backend_pid();\n$sql\n$spent\n", '', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
	$psql->pump until $out =~ /\d+\n/;
	my ($pid) = $out =~ /(\d+)\n/;
	sleep($after);
	my ($before) = split ' ', slurp_file("/proc/$pid/schedstat");
	kill 'INT', $pid;
	$psql->finish;
	like($err, qr/canceling statement due to user request/, "this can be cancelled: $sql");
	my ($end) = $out =~ /^spent (\d+)$/m;
	return ($end - $before) / 1e9;
}

# Seconds of processor time
sub time_of
{
	my ($begin, $end) = $node->safe_psql('postgres', "$spent\n$_[0]\n$spent") =~ /^spent (\d+)$/mg;
	return ($end - $begin) / 1e9;
}

my $slowest = 0;
for my $name ('string of secrets', 'string of JSON', 'items of a member', 'many members', 'fifty megabytes')
{
	for my $column ($name eq 'fifty megabytes' ? 'body' : ('payload', 'body'))
	{
		my $seconds = cancel(
			"SELECT count(sanitize_call_payload(v)) "
				. "FROM (SELECT $column AS v FROM big WHERE name = '$name' OFFSET 0) AS b, generate_series(1, 100000);",
			0.2 + rand 0.4);
		$slowest = max($slowest, $seconds);
	}
}
diag(sprintf('the slowest answer to a cancel took %.2f s', $slowest));
cmp_ok($slowest, '<', 5, 'a session answers a cancel within seconds');

# A text of 200 MB is one string of escapes, or has so many values that jsonb must check it. The planner would copy a
# constant, and a copy cannot be cancelled. A fixed limit would fail on a slow machine, so the session is compared with
# its own uninterrupted call.
sub call_of
{
	my ($text, $times) = @_;
	return "SELECT count(sanitize_call_payload(v)) FROM (SELECT $text AS v OFFSET 0) AS b, generate_series(1, $times);";
}

for my $text (q{'"' || repeat('ab\n\u00e9 ', 18000000 + (random() * 0)::int) || '"'},
	q{'[' || repeat('"a@b.example +14155550100 and more of this text",', 4000000 + (random() * 0)::int) || '1]'})
{
	my $whole = time_of(call_of($text, 1));
	my $longest = max map { cancel(call_of($text, 100), 0.8 + rand $whole) } 1 .. 3;
	diag(sprintf('with a text of 200 MB, %.2f s; an uninterrupted call takes %.2f s', $longest, $whole));
	cmp_ok($longest, '<', $whole / 2, 'a session with a large text answers a cancel long before the call would end');
}

# At any moment, and the session goes on.
my $timeouts = join '', map {
	my ($milliseconds, $column, $name) = (1 + $_ % 40, ($_ % 2 ? 'payload' : 'body'),
		('members', 'items', 'levels', 'string of numbers', 'events')[ $_ % 5 ]);
	"SET statement_timeout = $milliseconds; SELECT length(sanitize_call_payload($column)::text) > 0 FROM big WHERE name = '$name';\n"
} 1 .. 200;
$node->psql('postgres', "$timeouts RESET statement_timeout; SELECT sanitize_call_payload('[1]'::jsonb)",
	on_error_stop => 0, stdout => \$stdout, stderr => \$stderr);
my $hits = () = $stderr =~ /canceling statement due to statement timeout/g;
cmp_ok($hits, '>', 20, 'timeouts interrupt many calls') or diag($stderr);
like($stdout, qr/\n\[1\]$/, 'after the timeouts the session goes on');

# ---- a big budget -------------------------------------------------------------------------------------------

# While reading, the sanitizer looks for values sure to be shed. This must not take quadratic time in the budget.
sub seconds
{
	my ($expression) = @_;
	return time_of("SELECT length(($expression)::text)
		FROM (SELECT '[' || repeat(repeat('[', 60) || '1' || repeat(']', 60) || ',', 30000) || '1]' AS v OFFSET 0) AS d;");
}

my $limits = q{'{"version": 1, "limits": {"depth": 64, "members": 1000000, "items": 1000000}, "budget": {"max_bytes": 1000000}}'::jsonb};
my $of_jsonb = seconds('v::jsonb');
cmp_ok(seconds("sanitize_call_payload(v, $limits)"), '<', 2 * $of_jsonb + 0.3,
	'with limits of a million it takes at most twice the time of ::jsonb');

# ---- leaks ------------------------------------------------------------------------------------

# Different calls, each with memory to free. No context contains memory of the C++ library.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION work(times int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event jsonb := '{"call_id": 17, "phone": "+14155550100", "note": null,
        "custom_data": "{\"password\": \"x\", \"a\": [1, {\"b\": 1.50}]}",
        "url": "https://a:b@example.com/?sig=x", "a": {"b": {"c": null}}}';
BEGIN
    FOR i IN 1 .. times LOOP
        PERFORM sanitize_call_payload(event), sanitize_call_payload(event::text),
            sanitize_call_payload(event, call_payload_policy('strict'));
        IF i % 10 = 0 THEN
            PERFORM sanitize_call_payload(event, jsonb_build_object('version', 1, 'limits', jsonb_build_object('characters', 100 + i)));
            BEGIN
                PERFORM sanitize_call_payload(event, '{"version": 1,
                    "rules": [{"path": "a", "action": "keep"}, {"path": "a..b", "action": "drop"}]}');
            EXCEPTION WHEN invalid_parameter_value THEN
            END;
            BEGIN
                PERFORM sanitize_call_payload('["a", [1, "x');
            EXCEPTION WHEN invalid_text_representation THEN
            END;
        END IF;
    END LOOP;
END
$$});
# Since PostgreSQL 18 the path of a context names its parents.
my $parent = $node->pg_version >= 18 ? '(SELECT p.name FROM contexts p WHERE p.path = c.path[:array_length(c.path, 1) - 1])' : 'parent';
my $contexts = qq{WITH contexts AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts) SELECT sum(total_bytes) FROM contexts c
	WHERE name !~ '^(ErrorContext|MessageContext|ExecutorState|ExprContext|SPI |PLpgSQL|CacheMemory|index info|CachedPlan)'
	AND $parent IS DISTINCT FROM 'MessageContext'};
my $resident = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmRSS:\s+(\d+)')};
SKIP:
{
	skip 'there is no /proc', 2 unless -r '/proc/self/status';
	my $once = "SELECT work(1000);";
	# The queries themselves leave compiled expressions behind, since PostgreSQL 16 in a context.
	my @lines = grep { $_ ne '' } split /\n/,
	  $node->safe_psql('postgres', "$contexts; $resident; $once $once $contexts; $resident; SELECT work($calls); $contexts; $resident");
	my (undef, undef, $context_before, $resident_before, $context_after, $resident_after) = @lines;
	is($context_after, $context_before, "$calls calls leave the memory contexts unchanged");
	cmp_ok($resident_after - $resident_before, '<', 4096, 'the process has not grown') or diag("by $resident_after - $resident_before kB");
}

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'the server log has no crash and no internal error');
done_testing();
