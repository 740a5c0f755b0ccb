-- Without Citus, its functions say what is missing, and nothing else changes.
\set SHOW_CONTEXT never
CREATE SCHEMA cluster;
SELECT create_distributed_call_tables('cluster');
SELECT create_distributed_call_tables(NULL);
SELECT create_call_tables('cluster');
SELECT attach_call_shards('cluster.call_events');
SELECT attach_call_shards(NULL);
SELECT shard_id IS NULL AS no_shard, route_column IS NULL AS no_route, _callhardening.is_placed_here(shard_id) AS here
FROM call_event_logs WHERE events = 'cluster.call_events'::regclass;
SELECT * FROM _callhardening.ask_nodes('SELECT 1', true);
SELECT * FROM cluster_call_event_log_status;
SELECT * FROM cluster_call_issues;
SELECT * FROM cluster_call_dead_events;
SELECT * FROM cluster_call_enforcement;
CALL move_call_shard('cluster.call_events', 1, 'host', 5432);
CALL process_node_call_events(0);
CALL process_node_call_events(NULL);
CALL process_node_call_events();
BEGIN;
CALL process_node_call_events();
ROLLBACK;
SELECT start_call_worker('cluster.call_events', node => true);
SELECT start_call_worker(NULL, node => false);
SELECT start_call_worker(NULL, node => true, workers => 0);
SELECT start_call_worker(NULL, node => true, keep => true);
SELECT call_worker_pids(NULL, node => NULL);
SELECT count(*) FROM call_worker_pids(NULL, node => true);
SELECT stop_call_worker(NULL, node => true);
DROP SCHEMA cluster CASCADE;
