-- The documents and the rules of payload.sh, in the schema that search_path names first.

-- -- documents ---------------------------------------------------------------------------------
--
-- Bodies as they come, members in the order of the sender: jsonb has its own. A body is kept as it is: no
-- webhook comes compressed. A payload is kept as PostgreSQL keeps it: above 2 kB compressed and out of line.

CREATE TABLE traffic AS SELECT row_number() OVER () AS id, body FROM (SELECT call_traffic(1500) AS body) AS t;

CREATE TABLE event_body (id bigint, body text);
