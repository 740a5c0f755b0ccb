
# Prometheus reads the metrics in both ways: from prometheus-postgres-exporter, and from call_metrics() as OpenMetrics. Both give
# the same numbers. Each query of the dashboard finds something, an alert fires and resolves, and no counter falls after a crash.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use HTTP::Tiny;
use IPC::Run qw(start);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

sub program
{
	my ($name) = @_;
	my ($found) = grep { -x } map {"$_/$name"} split(/:/, $ENV{PATH});
	return $found;
}

my ($prometheus, $promtool, $exporter) = map { program($_) } 'prometheus', 'promtool', 'prometheus-postgres-exporter';
plan skip_all => 'there is no prometheus, promtool or prometheus-postgres-exporter' unless $prometheus && $promtool && $exporter;

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $monitoring = "$root/docs/monitoring";
my $home = PostgreSQL::Test::Utils::tempdir();
my $browser = HTTP::Tiny->new(timeout => 20);

# -- the files ---------------------------------------------------------------------------------------------------------------

command_ok([ $promtool, 'check', 'config', "$monitoring/prometheus.yaml" ], 'the configuration and the rules are valid');
command_ok([ $promtool, 'test', 'rules', "$root/test/t/monitoring/alerts_test.yaml" ], 'each alert fires when it should');

# -- the database ------------------------------------------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('prometheus');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;

my $odd_log = qq{odd "lo\\g"\nof Zoom};
$node->safe_psql('postgres', qq{
SET client_min_messages = error;
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT create_call_consumer('call_events', 'crm');
DO \$do\$ BEGIN EXECUTE format('CREATE TABLE %I (LIKE call_events INCLUDING ALL)', \$name\$$odd_log\$name\$); END \$do\$;
SELECT register_call_event_log(format('public.%I', \$name\$$odd_log\$name\$)::regclass, 'calls', 'dialpad', 4);
CALL backfill_calls('calls');
CREATE ROLE call_worker LOGIN;
SELECT grant_call_role('call_worker', 'process', 'call_events');
CREATE ROLE call_monitor LOGIN;
SELECT grant_call_role('call_monitor', 'monitor', events) FROM call_event_logs;
GRANT pg_read_all_stats TO call_monitor});
@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
command_ok([ "$root/scripts/development/make_monitoring.py", '--check' ], 'the files for exporters are up to date');

sub ask
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', $sql, extra_params => [ '--username', $role ]);
}

ask('call_worker', 'SELECT start_call_worker()');

# -- the programs ------------------------------------------------------------------------------------------------------------

my @programs;

sub run_program
{
	my ($name, @command) = @_;
	push @programs, start(\@command, '<', '/dev/null', '>', "$home/$name.log", '2>', "$home/$name.log");
	return;
}

END
{
	my $status = $?;
	$_->kill_kill(grace => 5) for @programs;
	$? = $status;
}

sub wait_for
{
	my ($what, $test) = @_;
	for (1 .. 200)
	{
		return pass($what) if $test->();
		sleep 0.1;
	}
	fail($what);
	diag("$_: " . slurp_file("$home/$_.log")) for 'exporter', 'server', 'prometheus';
	return;
}

my ($exporter_port, $metrics_port, $prometheus_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 3;
# A test does not wait until kept metrics are too old.
append_to_file("$home/queries.yaml", slurp_file("$monitoring/postgres_exporter.yaml") =~ s/^ +cache_seconds:.*\n//mgr);
$ENV{DATA_SOURCE_NAME} = "host=$ENV{PGHOST} port=$ENV{PGPORT} user=call_monitor dbname=postgres sslmode=disable";
run_program('exporter', $exporter, "--web.listen-address=127.0.0.1:$exporter_port", "--extend.query-path=$home/queries.yaml",
	'--disable-default-metrics', '--disable-settings-metrics');

# The smallest server of call_metrics()
append_to_file("$home/serve.py", <<'PYTHON');
import http.server, subprocess, sys
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = subprocess.run(["psql", "-XAtqc", "SELECT call_metrics(calls => true)"], capture_output=True, check=True).stdout
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.rstrip(b"\n") + b"\n")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
PYTHON
run_program('server', 'env', 'PGUSER=call_monitor', 'python3', "$home/serve.py", $metrics_port);

# The alerts fire at once here.
my $rules = slurp_file("$monitoring/alerts.yaml");
$rules =~ s/^( +for:) .*/$1 0s/mg;
append_to_file("$home/alerts.yaml", $rules);
append_to_file("$home/prometheus.yaml", <<YAML);
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs:
  - {job_name: exporter, static_configs: [{targets: ['127.0.0.1:$exporter_port']}]}
  - {job_name: call_metrics, static_configs: [{targets: ['127.0.0.1:$metrics_port']}]}
YAML
run_program('prometheus', $prometheus, "--config.file=$home/prometheus.yaml", "--storage.tsdb.path=$home/data",
	"--web.listen-address=127.0.0.1:$prometheus_port");

sub get
{
	my ($url) = @_;
	my $answer = $browser->get($url);
	return $answer->{success} ? $answer->{content} : undef;
}

# data of an answer of Prometheus
sub data_of
{
	my ($path, %parameters) = @_;
	my $answer = get("http://127.0.0.1:$prometheus_port/api/v1/$path?" . $browser->www_form_urlencode(\%parameters));
	return defined $answer ? decode_json($answer)->{data} : undef;
}

sub result_of { my ($query) = @_; my $data = data_of('query', query => $query); return $data ? @{ $data->{result} } : () }

wait_for('both are scraped', sub { result_of('callhardening_extension_info') == 2 });

# -- traffic -----------------------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
SET client_min_messages = error;
DO $$ BEGIN
	FOR i IN 1 .. 16 LOOP
		PERFORM generate_call_events(10, i);
		COMMIT;
		PERFORM complete_call_events(array_agg(claim_id)) FROM claim_call_events(50, consumer => 'crm');
		COMMIT;
		PERFORM pg_sleep(0.4);
	END LOOP;
END $$;
UPDATE calls SET direction = 'sideways' WHERE ctid = '(0,1)'});

# -- the dashboard -----------------------------------------------------------------------------------------------------------

my $dashboard = decode_json(slurp_file("$monitoring/dashboard.json"));
my @queries = map { $_->{expr} } map { @{ $_->{targets} // [] } } @{ $dashboard->{panels} };
cmp_ok(scalar(@queries), '>', 40, 'the dashboard has queries');
my @empty;
for my $query (@queries)
{
	my $filled = $query =~ s/\$log/.*/gr =~ s/\$__rate_interval/20s/gr;
	push @empty, $query unless result_of($filled);
}
is_deeply(\@empty, [], 'each of them finds something');
my ($label) = result_of(qq{callhardening_event_log_lanes{job="call_metrics",log!="public.call_events"}});
is($label->{metric}{log}, qq{public."odd ""lo\\g""\nof Zoom"}, 'an odd name of a log arrives as it is');

# -- the same numbers --------------------------------------------------------------------------------------------------------

# Series with their values. The label of the exporter's server, empty labels and the order of labels make no difference.
sub series_of
{
	my ($text) = @_;
	my %series;
	for my $line (grep {/^callhardening_/} split /\n/, $text)
	{
		my ($name, $labels, $value) = $line =~ /^(\w+)(?:\{(.*)\})? (\S+)$/ or die "no sample: $line";
		my %labels = ($labels // '') =~ /(\w+)="((?:[^"\\]|\\.)*)"/g;
		delete $labels{server};
		$series{ $name . "{" . join(',', map {"$_=$labels{$_}"} grep { $labels{$_} ne '' } sort keys %labels) . '}' } = $value + 0;
	}
	return %series;
}

wait_for('all events are processed', sub {
	$node->safe_psql('postgres', q{SELECT sum(pending) = 0 FROM pending_call_events(exact => true)}) eq 't' });
my $of_exporter = get("http://127.0.0.1:$exporter_port/metrics");
my $of_function = ask('call_monitor', 'SELECT call_metrics(calls => true)');
unlike($of_exporter, qr/^callhardening_.* NaN$/m, 'the exporter has no sample without a value');
my (%exporter, %function);
%exporter = series_of($of_exporter);
%function = series_of($of_function);
# Only the function has metrics about the collectors.
delete @function{ grep {/^callhardening_collector_/} keys %function };
is(join("\n", sort grep { !exists $function{$_} } keys %exporter), '', 'call_metrics has all series of the exporter');
is(join("\n", sort grep { !exists $exporter{$_} } keys %function), '', 'the exporter has all series of call_metrics');
# Ages and rates grow meanwhile, and sessions come and go.
my @still = grep { !/_seconds\{|_per_second\{|waiting_|_transactions\{|_bytes\{kind=bookkeeping/ } keys %function;
cmp_ok(scalar(@still), '>', 100, 'there are many of them');
my @differing = grep { ($exporter{$_} // -1) != $function{$_} } sort @still;
is(join("\n", map {"$_ $exporter{$_}"} @differing), join("\n", map {"$_ $function{$_}"} @differing), 'with the same values');
is(join(' ', grep { !$function{$_} } grep {/_up\{|_visible\{/} sort keys %function), '', 'a monitor sees everything');
unlike($of_function, qr/collector_up.* 0$/m, 'and no collector fails');

# promtool knows the older format alone: there the name of a counter has its ending in the metadata as well.
my $older = $of_function =~ s/^# TYPE (\w+) counter$/# TYPE $1_total counter/mgr =~ s/^# TYPE (\w+) info$/# TYPE $1_info gauge/mgr;
for my $family ($older =~ /^# TYPE (\w+_(?:total|info)) /mg)
{
	my $short = $family =~ s/_(total|info)$//r;
	$older =~ s/^# HELP $short /# HELP $family /m;
}
my ($out, $err) = ('', '');
ok(run_log([ $promtool, 'check', 'metrics' ], '<', \$older, '>', \$out, '2>', \$err), 'promtool finds nothing to say about the metrics')
	or diag($out, $err);

# sql_exporter and pgwatch do not run here. Their queries do, and have the columns that the files name.
append_to_file("$home/queries.py", <<'PYTHON');
import json, sys, yaml
sql, watch = (yaml.safe_load(open(f"{sys.argv[1]}/{name}.yaml")) for name in ("sql_exporter", "pgwatch"))
found = []
for collector in sql["collectors"]:
    for query in collector["queries"]:
        metrics = [metric for metric in collector["metrics"] if metric["query_ref"] == query["query_name"]]
        found.append((query["query"], sorted({name for metric in metrics for name in metric["key_labels"] + metric["values"]})))
for metric in watch["metrics"].values():
    found += [(query, ["epoch_ns", *metric["gauges"]]) for query in metric["sqls"].values()]
print(json.dumps(found))
PYTHON
my ($listed) = run_command([ 'python3', "$home/queries.py", $monitoring ]);
my @missing;
for my $pair (@{ decode_json($listed) })
{
	my ($query, $wanted) = @$pair;
	my ($head) = split /\n/, ask('call_monitor', "COPY ($query) TO STDOUT (FORMAT csv, HEADER)");
	my %columns = map { $_ => 1 } split /,/, $head // '';
	push @missing, "$query: $_" for grep { !$columns{$_} } @$wanted;
}
is(join("\n", @missing), '', 'the queries of sql_exporter and pgwatch have their columns');

# The names in the alerts are names of metrics.
my %known = map { $_ => 1 } @{ data_of('label/__name__/values') };
my @unknown = grep { !$known{$_} && !/^callhardening_calls_error|_log_error/ } $rules =~ /\b(callhardening_\w+)/g;
is("@unknown", '', 'alerts name existing metrics');
my @errors = map { $_->{lastError} } @{ data_of('targets')->{activeTargets} };
is(join(' ', grep { $_ ne '' && !/deadline exceeded/ } @errors), '', 'Prometheus can read both texts');

# -- an alert ----------------------------------------------------------------------------------------------------------------

sub firing
{
	my ($name) = @_;
	return grep { $_->{labels}{alertname} eq $name && $_->{state} eq 'firing' } @{ data_of('alerts')->{alerts} };
}

is(scalar(firing('CallRulesNotEnforced')), 0, 'nothing is wrong');
$node->safe_psql('postgres', 'ALTER TABLE calls DISABLE TRIGGER ALL');
wait_for('the alert fires', sub { firing('CallRulesNotEnforced') });
my ($alert) = firing('CallRulesNotEnforced');
is("$alert->{labels}{relation} $alert->{annotations}{runbook_url}", 'public.calls docs/operating.md#a-rule-is-not-enforced',
	'it names the table and the page');
$node->safe_psql('postgres', 'ALTER TABLE calls ENABLE TRIGGER ALL');
wait_for('the alert resolves', sub { !firing('CallRulesNotEnforced') });

# -- a locked log ------------------------------------------------------------------------------------------------------------

my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE call_events');
like(ask('call_monitor', "SET statement_timeout = '30s'; SELECT call_metrics()"),
	qr/event_log_error_info\{log="public.call_events",sqlstate="55P03"\} 1/, 'a locked log does not hold the metrics up');
$locker->quit;

# -- a crash -----------------------------------------------------------------------------------------------------------------

# Prometheus would take a smaller number for a counter that began anew.
$node->safe_psql('postgres', 'SELECT generate_call_events(5, 99)');
my %before = series_of(ask('call_monitor', 'SELECT call_metrics()'));
$node->stop('immediate');
$node->start;
my %after = series_of(ask('call_monitor', 'SELECT call_metrics()'));
my @counters = grep {/_total\{|_bucket\{|_count\{/} keys %before;
cmp_ok(scalar(@counters), '>', 50, 'there are counters');
is(join(' ', grep { $after{$_} < $before{$_} } @counters), '', 'none falls after a crash');

$node->stop;
done_testing();
