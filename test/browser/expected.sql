-- The numbers of the charts, from the tables and views themselves
SELECT jsonb_build_object(
    'events:public.call_events', (SELECT count(*) FROM call_events),
    'waiting', (SELECT sum(pending) FROM pending_call_events('call_events', true)),
    'funnel:public.call_events', (SELECT jsonb_agg(n ORDER BY place) FROM call_event_counts AS c,
        LATERAL unnest(ARRAY[c.received + c.redelivered, c.redelivered, c.received, c.applied, c.unchanged, c.refused, c.dead])
            WITH ORDINALITY AS s (n, place) WHERE c.log = 'call_events'::regclass AND c.consumer = 'default'),
    'lag:public.call_events:default', (SELECT max(events) FROM call_event_lag WHERE log = 'call_events'::regclass AND consumer = 'default'),
    'issues', (SELECT sum(occurrences) FROM call_issues WHERE kind <> 'dead_event') + (SELECT count(*) FROM call_dead_events),
    'calls', (SELECT jsonb_object_agg(coalesce(direction, 'null'), n) FROM (
        SELECT direction, count(*) AS n FROM calls
        WHERE started_at > (SELECT max(started_at) FROM calls WHERE started_at <= now()) - interval '7 days'
        GROUP BY direction) AS d),
    'dead', (SELECT count(*) FROM call_dead_events),
    'failures', (SELECT count(*) FROM call_dead_events) + (SELECT count(*) FROM call_retrying_events),
    'gaps', (SELECT count(*) FROM call_enforcement WHERE level = 'gap'),
    'changes', (SELECT count(*) FROM call_changes),
    'bytes', (SELECT sum(octet_length(payload::text)) FROM (SELECT payload FROM call_events ORDER BY event_seq DESC LIMIT 300) AS e));
