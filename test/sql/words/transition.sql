-- The graph of a call
SELECT * FROM call_status_transitions();

-- All pairs: from the row's status to the column's
WITH status (word) AS (VALUES ('ringing'), ('active'), ('ended'), ('missed'), ('rejected'), ('voicemail'), (NULL))
SELECT word AS "from", is_valid_status_transition(word, 'ringing') AS ringing, is_valid_status_transition(word, 'active') AS active,
    is_valid_status_transition(word, 'ended') AS ended, is_valid_status_transition(word, 'missed') AS missed,
    is_valid_status_transition(word, 'rejected') AS rejected, is_valid_status_transition(word, 'voicemail') AS voicemail,
    is_valid_status_transition(word, NULL) AS "null"
FROM status;

-- Words outside the graph
SELECT is_valid_status_transition('completed', 'ringing');
SELECT is_valid_status_transition('completed', 'completed');
SELECT is_valid_status_transition('completed', NULL);
SELECT is_valid_status_transition('ringing', 'completed');
SELECT is_valid_status_transition(NULL, 'completed');
SELECT is_valid_status_transition('ringing', 'Active');
SELECT is_valid_status_transition('', 'ended');
SELECT is_valid_status_transition('ringing', '');

-- An own graph: a status without an entry is terminal, and a status may name itself.
SELECT * FROM call_status_transitions('{"new": ["open", "closed"], "open": ["open", "new"]}');
SELECT is_valid_status_transition('new', 'open', '{"new": ["open"]}');
SELECT is_valid_status_transition('open', 'new', '{"new": ["open"]}');
SELECT is_valid_status_transition('ringing', 'new', '{"new": ["open"]}');
SELECT is_valid_status_transition('new', 'ringing', '{"new": ["open"]}');
SELECT count(*) FROM call_status_transitions('{"alone": []}');
SELECT is_valid_status_transition('besetzt', 'frei', '{"frei": ["klingelt"], "klingelt": ["besetzt", "frei"], "besetzt": ["frei"]}');
SELECT is_valid_status_transition('occupé', 'terminé', '{"occupé": ["terminé"]}');

-- Another graph in each row
SELECT transitions, is_valid_status_transition('a', 'b', transitions)
FROM (VALUES ('{"a": ["b"]}'::jsonb), ('{"a": ["b"]}'), ('{"a": [], "b": []}'),
    (NULL), ('{"b": ["a"]}'), ('{"a": ["b"]}')) AS graph (transitions);

-- The limits
SELECT count(*) FROM call_status_transitions(jsonb_build_object('s0', (SELECT jsonb_agg('s' || i) FROM generate_series(1, 63) AS i)));
SELECT count(*) FROM call_status_transitions(jsonb_build_object('s0', (SELECT jsonb_agg('s' || i) FROM generate_series(1, 64) AS i)));
SELECT count(*) FROM call_status_transitions(jsonb_build_object(repeat('x', 63), jsonb_build_array(repeat('y', 63))));
SELECT count(*) FROM call_status_transitions(jsonb_build_object(repeat('x', 64), '[]'::jsonb));
SELECT count(*) FROM call_status_transitions(jsonb_build_object(repeat('x', 63), jsonb_build_array(repeat('y', 63), repeat('y', 64))));

-- Invalid graphs
\set VERBOSITY sqlstate
SELECT is_valid_status_transition('a', 'b', '[]');
\set VERBOSITY default
SELECT is_valid_status_transition('a', 'b', 'null');
SELECT is_valid_status_transition('a', 'b', '"ringing"');
SELECT is_valid_status_transition('a', 'b', '{}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": "active"}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": null}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": {"active": []}}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", 7]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", 1e400]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", null]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": [true]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", ["ended"]]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": [{}]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", ""]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": [" - "]}');
SELECT is_valid_status_transition('a', 'b', '{"": ["active"]}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["active", "ended", "active"]}');
SELECT is_valid_status_transition('a', 'b', '{"active": [], "on hold": [], "on-hold": []}');
SELECT is_valid_status_transition('a', 'b', '{"ringing": ["on_hold", "on-hold"]}');
SELECT is_valid_status_transition('a', 'b', '{"Ended": [], "ringing": ["ended"]}');
SELECT is_valid_status_transition('a', 'b', ('{"a": ' || repeat('[', 6000) || repeat(']', 6000) || '}')::jsonb);
SELECT * FROM call_status_transitions('{"ringing": ["active", 7]}');
