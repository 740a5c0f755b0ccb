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
SELECT * FROM _callhardening.ask_nodes('SELECT 1');
DROP SCHEMA cluster CASCADE;
