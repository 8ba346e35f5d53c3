--
-- catalog.sql
--		Hide from sqlsmith what it makes nothing but errors of.
--
-- It looks for functions and columns in "pg_proc" and "pg_attribute", wherever
-- these are, and for operators in pg_catalog.  It asks for each function by its
-- number, so these are tables with an index.  :smith is its role.
--
REVOKE EXECUTE ON FUNCTION pg_sleep(double precision), pg_sleep_for(interval), pg_sleep_until(timestamptz),
	pg_terminate_backend(integer, bigint), pg_cancel_backend(integer) FROM PUBLIC;

CREATE SCHEMA shown;
GRANT USAGE ON SCHEMA shown TO :smith;
-- polymorphic types that it does not know how to fill
CREATE VIEW shown.hidden_types AS
	SELECT oid FROM pg_type WHERE typname ~ '^any.*(range|enum)$';
CREATE TABLE shown.pg_proc AS
	SELECT * FROM pg_catalog.pg_proc AS p
	WHERE has_function_privilege(:'smith', oid, 'EXECUTE')
		AND NOT EXISTS (SELECT FROM shown.hidden_types AS t WHERE t.oid = prorettype OR t.oid = ANY (proargtypes));
CREATE INDEX ON shown.pg_proc (oid);
CREATE TABLE shown.pg_attribute AS
	SELECT attrelid, attname, atttypid, attisdropped, attnum FROM pg_catalog.pg_attribute WHERE attname ~ '^[a-z_][a-z0-9_]*$';
CREATE INDEX ON shown.pg_attribute (attrelid);
ANALYZE shown.pg_proc, shown.pg_attribute;
GRANT SELECT ON ALL TABLES IN SCHEMA shown TO :smith;
-- where pg_catalog is not named, it comes first
ALTER ROLE :smith IN DATABASE :"database" SET search_path = shown, pg_catalog, public;
SET allow_system_table_mods = on;
DELETE FROM pg_operator WHERE oprleft IN (SELECT oid FROM shown.hidden_types) OR oprright IN (SELECT oid FROM shown.hidden_types);
