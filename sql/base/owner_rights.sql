
-- the rights of a table's owner ----------------------------------------------------------------
--
-- An administrator looks after the tables of others. What their owners have written (functions of a domain's CHECK,
-- of an index, a trigger, a policy) never runs with the administrator's rights: src/pg/base/owner_rights.cpp.

CREATE FUNCTION _callhardening.query_as_owner(owned regclass, statement text, arguments text[]) RETURNS SETOF record
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_query_as_owner';
REVOKE EXECUTE ON FUNCTION _callhardening.query_as_owner(regclass, text, text[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'query_as_owner');

COMMENT ON FUNCTION _callhardening.query_as_owner(regclass, text, text[]) IS
'runs one statement with the rights of the owner of a table, and returns its rows. Names are found in pg_catalog '
'alone, and rights are checked as the caller before. If the caller is another role than the owner, the statement runs '
'in a security-restricted operation. $1 in the statement is arguments. Errors: 22004 owned or statement is NULL, '
'42501 the caller has not the rights of the owner, or row-level security hides rows from him';

CREATE FUNCTION _callhardening.write_as_owner(owned regclass, statement text, arguments text[]) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_write_as_owner';
REVOKE EXECUTE ON FUNCTION _callhardening.write_as_owner(regclass, text, text[]) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'write_as_owner');

COMMENT ON FUNCTION _callhardening.write_as_owner(regclass, text, text[]) IS
'as query_as_owner, for a statement that returns nothing: returns the number of rows it wrote';

CREATE FUNCTION _callhardening.held_word(calls regclass, column_name name, word text) RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_held_word';
REVOKE EXECUTE ON FUNCTION _callhardening.held_word(regclass, name, text) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'held_word'), ('operate', 'held_word');

COMMENT ON FUNCTION _callhardening.held_word(regclass, name, text) IS
'what a column would show of a word written to it. The type''s own checks run with the rights of the table''s owner. '
'NULL for NULL, if the type takes NULL. Errors: 22004 calls or column_name is NULL, 42501 no SELECT on the column, '
'55000 no such column, and those of the type: 22001, 22P02, 23502, 23514';
