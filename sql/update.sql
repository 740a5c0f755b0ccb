\echo Use "ALTER EXTENSION callhardening UPDATE" to load this file. \quit

-- The part of an update from the last release that is written by hand. sql/update.awk adds the rest.

-- instead of: CREATE TABLE _callhardening.logs (
ALTER TABLE _callhardening.logs ADD COLUMN route_column name, ADD COLUMN shard_id bigint;
CREATE OR REPLACE VIEW @extschema@.call_event_logs AS SELECT * FROM _callhardening.logs;

-- instead of: INSERT INTO _callhardening.task_grants VALUES ('own', 'my_logs',
UPDATE _callhardening.task_grants SET except_columns = except_columns || '{route_column, shard_id}'
WHERE object = 'my_logs' AND privilege = 'UPDATE';
UPDATE _callhardening.task_grants SET except_columns = except_columns || '{shard_id}'
WHERE object = 'my_logs' AND privilege = 'INSERT';

-- changes

DELETE FROM _callhardening.installed_members;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();
