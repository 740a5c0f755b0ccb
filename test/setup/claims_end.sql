-- Drops the objects of claims.sql.
SET client_min_messages = warning;
DROP TABLE IF EXISTS queue;
DROP TABLE call_events, calls, taken;
DROP PROCEDURE start_again, loop;
DROP FUNCTION add, take, ids, id, complete, release, fail, waiting, dead;
RESET client_min_messages;
