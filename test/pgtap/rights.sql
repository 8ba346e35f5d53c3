--
-- rights.sql
--		Who may read what: privileges on tables and columns, policies, owners.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
SELECT set_config('test.file', :'data' || '/demo/pbmc_site_c.h5ad', true);
CREATE ROLE regress_mc_none;
CREATE ROLE regress_mc_table;
CREATE ROLE regress_mc_columns;
CREATE ROLE regress_mc_policy;
CREATE ROLE regress_mc_owner;
CREATE ROLE regress_mc_member IN ROLE regress_mc_table;
CREATE ROLE regress_mc_files IN ROLE pg_read_server_files;
GRANT CREATE ON SCHEMA public TO regress_mc_owner, regress_mc_files;
GRANT SELECT ON coll TO regress_mc_table, regress_mc_policy;
GRANT SELECT (row_index, x, cell_type) ON coll TO regress_mc_columns;

-- What a query that returns one value gives to a role: the value, or the
-- SQLSTATE and message of its error.
CREATE FUNCTION try(role text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE query INTO result;
	PERFORM set_config('role', 'none', true);
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION is_denied(role text, query text, what text DEFAULT 'table coll') RETURNS text LANGUAGE sql AS $$
	SELECT is(try(role, query), '42501 permission denied for ' || what, role || ' must not: ' || query)
$$;
CREATE FUNCTION may(role text, query text, expected text) RETURNS text LANGUAGE sql AS $$
	SELECT is(try(role, query), expected, role || ' may: ' || query)
$$;

-- no right at all
SELECT is_denied('regress_mc_none', q) FROM unnest(ARRAY[
	'SELECT count(*) FROM coll', 'SELECT count(*) FROM coll WHERE row_index = 3', 'SELECT x FROM coll LIMIT 1',
	'SELECT count(*) FROM coll TABLESAMPLE weighted(''cell_type'')', 'SELECT count(*) FROM coll TABLESAMPLE bernoulli(10)',
	'SELECT count(*) FROM sample_batch(''coll'', 4)', 'SELECT count(*) FROM sample_batch(''coll'', 4, ''cell_type'')',
	'SELECT count(*) FROM mappedcoll_sample_batch(''coll'', 4, NULL, 1, 0, 1, 0, 1, true, NULL, NULL, NULL, false, NULL)',
	'SELECT count(*) FROM sample_rows(''coll'', 4)', 'SELECT count(*) FROM sample_csr(''coll'', 4)', 'SELECT count(*) FROM sample_dense(''coll'', 4)',
	'SELECT count(*) FROM fetch_csr(''coll'', ''{1}'')', 'SELECT sample_fingerprint(''coll'')', 'SELECT sample_size(''coll'')',
	'SELECT count(*) FROM labels(''coll'', ''cell_type'')', 'SELECT count(*) FROM collection_files(''coll'')',
	'SELECT count(*) FROM collection_vars(''coll'')', 'SELECT count(*) FROM measured_genes(''coll'')']) AS q;
-- and no more to learn than that: neither columns nor conditions
SELECT is_denied('regress_mc_none', q) FROM unnest(ARRAY[
	'SELECT count(*) FROM sample_batch(''coll'', 4, ''no_such_column'')', 'SELECT count(*) FROM labels(''coll'', ''no_such_column'')',
	'SELECT count(*) FROM sample_batch(''coll'', 4, filter => ''true'')', 'SELECT count(*) FROM sample_batch(''coll'', 4, filter => ''('')']) AS q;
SELECT is(left(try('regress_mc_none', q), 5), '42501', 'regress_mc_none must not: ' || q) FROM unnest(ARRAY[
	'SELECT refresh_collection(''coll'')', 'DROP TABLE coll', 'ALTER FOREIGN TABLE coll_h5ad OPTIONS (SET files ''/etc/passwd'')',
	'SELECT create_collection(''mine'', ARRAY[''/etc/passwd''])', 'SELECT create_collection(''mine'', ARRAY[''/nonexistent/*''])',
	'CREATE FOREIGN TABLE mine (x bytea) SERVER mappedcoll OPTIONS (files ''/a'')', 'INSERT INTO coll (row_index) VALUES (1)',
	'UPDATE coll SET cell_type = ''x''', 'DELETE FROM coll', 'TRUNCATE coll']) AS q;

-- SELECT on the table, one's own or of a role that one is a member of
SELECT may(role, q, result) FROM unnest(ARRAY['regress_mc_table', 'regress_mc_member']) AS role, (VALUES
	('SELECT count(*) FROM coll', '3200'), ('SELECT count(*) FROM coll TABLESAMPLE weighted(''donor_id'')', '3200'),
	('SELECT count(x) FROM sample_batch(''coll'', 4, ''donor_id'', filter => ''age > 40'')', '4'),
	('SELECT count(*) FROM labels(''coll'', ''donor_id'')', '10'), ('SELECT count(*) FROM collection_files(''coll'')', '3'),
	('SELECT count(*) FROM collection_vars(''coll'')', '924'), ('SELECT count(*) FROM measured_genes(''coll'')', '3')) AS v (q, result);
SELECT is_denied('regress_mc_table', q, 'foreign table coll_h5ad') FROM unnest(ARRAY[
	'SELECT count(*) FROM coll_h5ad', 'SELECT count(*) FROM sample_batch(''coll_h5ad'', 4)',
	'SELECT count(*) FROM labels(''coll_h5ad'', ''cell_type'')', 'SELECT count(*) FROM collection_files(''coll_h5ad'')',
	'SELECT count(*) FROM collection_vars(''coll_h5ad'')', 'SELECT count(*) FROM measured_genes(''coll_h5ad'')']) AS q;
SELECT is(left(try('regress_mc_table', 'SELECT refresh_collection(''coll'')'), 5), '42501', 'refresh_collection is the owner''s');

-- SELECT on some columns
SELECT may('regress_mc_columns', q, result) FROM (VALUES
	('SELECT count(cell_type) FROM coll', '3182'), ('SELECT length(x) FROM coll WHERE row_index = 3', '3696'),
	('SELECT count(*) FROM (SELECT row_index FROM coll TABLESAMPLE weighted(''cell_type'')) s', '3200'),
	('SELECT count(x) FROM sample_batch(''coll'', 4)', '4'), ('SELECT count(x) FROM sample_batch(''coll'', 4, ''cell_type'')', '4'),
	('SELECT count(x) FROM sample_batch(''coll'', 4, filter => ''cell_type IS NULL'')', '4'),
	('SELECT count(*) FROM labels(''coll'', ''cell_type'')', '11'), ('SELECT count(*) FROM collection_files(''coll'')', '3'),
	('SELECT count(*) FROM collection_vars(''coll'')', '924'), ('SELECT sum(n_measured) FROM measured_genes(''coll'')', '2772')) AS v (q, result);
SELECT is_denied('regress_mc_columns', q) FROM unnest(ARRAY[
	'SELECT donor_id FROM coll LIMIT 1', 'SELECT row_index FROM coll WHERE donor_id = ''D01'' LIMIT 1', 'SELECT * FROM coll LIMIT 1',
	'SELECT row_index FROM coll TABLESAMPLE weighted(''donor_id'') LIMIT 1', 'SELECT row_index FROM coll TABLESAMPLE weighted(''cell_type,donor_id'') LIMIT 1',
	'SELECT count(x) FROM sample_batch(''coll'', 4, ''donor_id'')', 'SELECT count(x) FROM sample_batch(''coll'', 4, ''cell_type, donor_id'')',
	'SELECT count(x) FROM sample_batch(''coll'', 4, filter => ''donor_id = ''''D01'''''')',
	'SELECT count(*) FROM labels(''coll'', ''donor_id'')', 'SELECT count(*) FROM labels(''coll'', ''cell_type, donor_id'')']) AS q;
REVOKE SELECT (x) ON coll FROM regress_mc_columns;
SELECT is_denied('regress_mc_columns', 'SELECT count(x) FROM sample_batch(''coll'', 4)');
SELECT may('regress_mc_columns', 'SELECT count(*) FROM labels(''coll'', ''cell_type'')', '11');
-- a right follows a column to its new name
ALTER TABLE coll RENAME COLUMN cell_type TO kind;
SELECT may('regress_mc_columns', 'SELECT count(*) FROM labels(''coll'', ''kind'')', '11');
ALTER TABLE coll RENAME COLUMN kind TO cell_type;

-- a view and a function of their owner lend their rights
CREATE VIEW balanced AS SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('donor_id') REPEATABLE (1);
CREATE FUNCTION safe_batch(n int) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER SET search_path = public
	AS $$ SELECT row_index FROM sample_batch('coll', n, 'donor_id', filter => 'donor_id <> ''D01''') $$;
GRANT SELECT ON balanced TO regress_mc_none;
SELECT may('regress_mc_none', 'SELECT count(*) FROM balanced', '3200');
SELECT may('regress_mc_none', 'SELECT count(*) FROM safe_batch(5)', '5');

-- policies
CREATE POLICY own_donors ON coll TO regress_mc_policy USING (donor_id IN ('D02', 'D07') AND NOT coalesce(is_doublet, false));
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
CREATE TEMP TABLE allowed AS SELECT row_index, cell_type, file_index FROM coll WHERE donor_id IN ('D02', 'D07') AND NOT coalesce(is_doublet, false);
GRANT SELECT ON allowed TO PUBLIC;
SELECT may('regress_mc_policy', 'SELECT count(*) FROM coll', (SELECT count(*)::text FROM allowed));
SELECT may('regress_mc_policy', q, '0') FROM unnest(ARRAY[
	'SELECT count(*) FROM sample_batch(''coll'', 5000, seed => 1) WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM sample_batch(''coll'', 5000, ''cell_type'', seed => 1) WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM sample_batch(''coll'', 3000, ''cell_type'', seed => 1, filter => ''true'') WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM sample_batch(''coll'', 3000, seed => 1, filter => ''donor_id = ''''D01'''' OR sex = ''''male'''''') WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM sample_batch(''coll'', 3000, seed => 1, replacement => false) WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM coll TABLESAMPLE weighted(''cell_type'') REPEATABLE (1) WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM coll TABLESAMPLE bernoulli(100) WHERE row_index NOT IN (SELECT row_index FROM allowed)',
	'SELECT count(*) FROM coll WHERE row_index NOT IN (SELECT row_index FROM allowed)']) AS q;
SELECT may('regress_mc_policy', format('SELECT count(DISTINCT row_index) FROM sample_batch(''coll'', %s, seed => 1, replacement => false)', n), n::text)
FROM (SELECT count(*) AS n FROM allowed) AS s;
SELECT may('regress_mc_policy', 'SELECT string_agg(label || n_rows || weight, '','' ORDER BY label) FROM labels(''coll'', ''cell_type'')',
	(SELECT string_agg(cell_type || n || 1::float8 / n, ',' ORDER BY cell_type) FROM (
		SELECT cell_type, count(*) AS n FROM allowed WHERE cell_type IS NOT NULL GROUP BY 1) AS s));
SELECT may('regress_mc_policy', 'SELECT string_agg(label, '','' ORDER BY label) FROM labels(''coll'', ''donor_id'')', 'D02,D07');
SELECT may('regress_mc_policy', 'SELECT string_agg(n_obs::text, '','' ORDER BY file_index) FROM collection_files(''coll'')',
	(SELECT string_agg((SELECT count(*) FROM allowed WHERE file_index = f)::text, ',' ORDER BY f) FROM generate_series(0, 2) AS f));
SELECT is(try('regress_mc_policy', 'SELECT count(*) FROM sample_batch(''coll'', 4, filter => ''donor_id = ''''D01'''''')'),
	'55000 there is no row to sample', 'of hidden rows nothing can be drawn');
-- genes are of the files, not of rows: a policy hides none of them
SELECT may('regress_mc_policy', 'SELECT sum(n_measured) FROM measured_genes(''coll'')', '2772');
SELECT may('regress_mc_policy', 'SELECT count(*) FROM collection_vars(''coll'')', '924');
-- a filter does not see hidden rows, not even by its side effects
CREATE TABLE seen (donor text);
GRANT INSERT, SELECT ON seen TO PUBLIC;
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	'BEGIN INSERT INTO seen VALUES ($1); RETURN true; END';
SELECT may('regress_mc_policy', 'SELECT count(*) FROM sample_batch(''coll'', 4, filter => ''peek(donor_id)'')', '4');
SELECT is((SELECT array_agg(DISTINCT donor ORDER BY donor) FROM seen), '{D02,D07}'::text[], 'a leaky function sees the permitted rows only');
-- another policy counts at once, a role without one sees nothing
ALTER POLICY own_donors ON coll USING (donor_id = 'D03');
SELECT may('regress_mc_policy', 'SELECT string_agg(DISTINCT donor_id, '','') FROM sample_batch(''coll'', 500, seed => 1) JOIN coll USING (row_index)', 'D03');
SELECT may('regress_mc_policy', 'SELECT string_agg(label, '','') FROM labels(''coll'', ''donor_id'')', 'D03');
SELECT is(try('regress_mc_table', 'SELECT count(*) FROM sample_batch(''coll'', 4)'), '55000 there is no row to sample', 'without a policy there are no rows');
SELECT may('regress_mc_table', 'SELECT count(*) FROM labels(''coll'', ''donor_id'')', '0');
SELECT may('regress_mc_table', 'SELECT count(*) FROM coll TABLESAMPLE weighted(''cell_type'')', '0');
-- a policy that looks at the session
ALTER POLICY own_donors ON coll USING (donor_id = current_setting('test.donor', true));
SELECT set_config('test.donor', 'D04', true);
SELECT may('regress_mc_policy', 'SELECT string_agg(label, '','') FROM labels(''coll'', ''donor_id'')', 'D04');
SELECT set_config('test.donor', 'D08', true);
SELECT may('regress_mc_policy', 'SELECT string_agg(label, '','') FROM labels(''coll'', ''donor_id'')', 'D08');
SELECT may('regress_mc_policy', 'SELECT string_agg(DISTINCT donor_id, '','') FROM sample_batch(''coll'', 500, seed => 1) JOIN coll USING (row_index)', 'D08');
-- row_security = off is an error, not all rows; for a superuser it is all rows
SET LOCAL row_security = off;
SELECT is(left(try('regress_mc_policy', q), 5), '42501', 'with row_security = off regress_mc_policy must not: ' || q) FROM unnest(ARRAY[
	'SELECT count(*) FROM coll', 'SELECT count(*) FROM sample_batch(''coll'', 4)', 'SELECT count(*) FROM labels(''coll'', ''cell_type'')',
	'SELECT count(*) FROM collection_files(''coll'')']) AS q;
SET LOCAL row_security = on;
SELECT is((SELECT sum(n_rows) FROM labels('coll', 'donor_id')), 3200::numeric, 'a superuser sees all rows');
ALTER TABLE coll OWNER TO regress_mc_owner;
SELECT may('regress_mc_owner', 'SELECT sum(n_rows) FROM labels(''coll'', ''donor_id'')', '3200');
ALTER TABLE coll FORCE ROW LEVEL SECURITY;
SELECT may('regress_mc_owner', 'SELECT count(*) FROM labels(''coll'', ''donor_id'')', '0');
ALTER TABLE coll NO FORCE ROW LEVEL SECURITY;
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;

-- the owner refreshes; files need pg_read_server_files, also for the owner
SELECT may('regress_mc_owner', 'SELECT refresh_collection(''coll'')', '0');
SELECT is(try('regress_mc_owner', 'SELECT create_collection(''mine'', ARRAY[current_setting(''test.file'')])'),
	'42501 permission denied to set the files of a collection', 'who owns a collection cannot therefore make another');
SELECT may('regress_mc_files', 'SELECT create_collection(''mine'', ARRAY[current_setting(''test.file'')])', 'mine');
SELECT may('regress_mc_files', 'SELECT count(*) FROM sample_batch(''mine'', 3, ''cell_type'')', '3');
SELECT may('regress_mc_files', 'SELECT refresh_collection(''mine'')', '0');
SELECT is_denied('regress_mc_table', 'SELECT count(*) FROM sample_batch(''mine'', 3, ''cell_type'')', 'table mine');
REVOKE CREATE ON SCHEMA public FROM regress_mc_files;
SELECT is(left(try('regress_mc_files', 'SELECT create_collection(''another'', ARRAY[current_setting(''test.file'')])'), 5),
	'42501', 'the schema must be open as well');
REVOKE pg_read_server_files FROM regress_mc_files;
SELECT is(try('regress_mc_files', 'ALTER FOREIGN TABLE mine_h5ad OPTIONS (SET files ''/etc/passwd'')'),
	'42501 permission denied to set the files of a collection', 'who leaves pg_read_server_files cannot turn to other files');
SELECT may('regress_mc_files', 'SELECT count(*) FROM mine', '500');
SELECT * FROM finish();
ROLLBACK;
