-- callhardening 0.1.0 to 0.2.0

\echo Use "ALTER EXTENSION callhardening UPDATE" to load this file. \quit

-- the members as installed ---------------------------------------------------------------------

DELETE FROM _callhardening.installed_members;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();
