--
-- arguments.sql
--		SQLSTATE and message of bad arguments, and arguments at their limits.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
SELECT set_config('test.data', :'data', true);
CREATE TABLE heap (row_index bigint);
CREATE VIEW view AS SELECT * FROM coll;

-- query, SQLSTATE, message
CREATE TEMP TABLE wrong (query text, state text, message text);
INSERT INTO wrong VALUES
	-- NULL in each argument
	('SELECT * FROM sample_batch(NULL, 1)', '22004', 'collection must not be null'),
	('SELECT * FROM sample_batch(''coll'', NULL)', '22004', 'batch_size must not be null'),
	('SELECT * FROM sample_batch(''coll'', 1, step => NULL)', '22004', 'step must not be null'),
	('SELECT * FROM sample_batch(''coll'', 1, rank => NULL)', '22004', 'rank must not be null'),
	('SELECT * FROM sample_batch(''coll'', 1, world_size => NULL)', '22004', 'world_size must not be null'),
	('SELECT * FROM sample_batch(''coll'', 1, replacement => NULL)', '22004', 'replacement must not be null'),
	('SELECT * FROM labels(NULL, ''cell_type'')', '22004', 'collection must not be null'),
	('SELECT * FROM labels(''coll'', NULL)', '22004', 'weight_by must not be null'),
	('SELECT * FROM collection_files(NULL)', '22004', 'collection must not be null'),
	('SELECT * FROM collection_vars(NULL)', '22004', 'collection must not be null'),
	('SELECT refresh_collection(NULL)', '22004', 'collection must not be null'),
	('SELECT create_collection(NULL, ''{}'')', '22004', 'name must not be null'),
	('SELECT create_collection(''c'', NULL)', '22004', 'files must not be null'),
	('SELECT create_collection(''c'', ''{}'', layer => NULL)', '22004', 'layer must not be null'),
	('SELECT create_collection(''c'', ''{}'', var_join => NULL)', '22004', 'var_join must not be null'),
	('SELECT create_collection(''c'', ''{}'', vectors => NULL)', '22004', 'vectors must not be null'),
	('SELECT create_collection(''c'', ''{}'', genes => NULL)', '22004', 'genes must not be null'),
	('SELECT create_collection(''c'', ''{}'', obsm => NULL)', '22004', 'obsm must not be null'),
	('SELECT create_collection(''c'', ''{NULL}'')', '22004', 'files must not contain NULL'),
	('SELECT * FROM coll TABLESAMPLE weighted(NULL)', '2202H', 'TABLESAMPLE parameter cannot be null'),
	('SELECT * FROM coll TABLESAMPLE bernoulli(NULL)', '2202H', 'TABLESAMPLE parameter cannot be null'),
	('SELECT * FROM coll TABLESAMPLE system(NULL)', '2202H', 'TABLESAMPLE parameter cannot be null'),
	('SELECT * FROM coll TABLESAMPLE weighted(''cell_type'') REPEATABLE (NULL)', '2202G', 'TABLESAMPLE REPEATABLE parameter cannot be null'),
	('SELECT * FROM coll TABLESAMPLE bernoulli(5) REPEATABLE (NULL)', '2202G', 'TABLESAMPLE REPEATABLE parameter cannot be null'),
	-- ranges
	('SELECT * FROM coll TABLESAMPLE bernoulli(-0.1)', '2202H', 'sample percentage must be between 0 and 100'),
	('SELECT * FROM coll TABLESAMPLE system(100.1)', '2202H', 'sample percentage must be between 0 and 100'),
	('SELECT * FROM coll TABLESAMPLE system(''NaN'')', '2202H', 'sample percentage must be between 0 and 100'),
	('SELECT * FROM coll TABLESAMPLE bernoulli(''Infinity'')', '2202H', 'sample percentage must be between 0 and 100'),
	('SELECT * FROM sample_batch(''coll'', 0)', '22023', 'batch_size must be between 1 and 1000000'),
	('SELECT * FROM sample_batch(''coll'', -1)', '22023', 'batch_size must be between 1 and 1000000'),
	('SELECT * FROM sample_batch(''coll'', -2147483648)', '22023', 'batch_size must be between 1 and 1000000'),
	('SELECT * FROM sample_batch(''coll'', 1000001)', '22023', 'batch_size must be between 1 and 1000000'),
	('SELECT * FROM sample_batch(''coll'', 1000000000)', '22023', 'batch_size must be between 1 and 1000000'),
	('SELECT * FROM sample_batch(''coll'', 1, step => -1)', '22023', 'step must not be negative'),
	('SELECT * FROM sample_batch(''coll'', 1, step => -9223372036854775808)', '22023', 'step must not be negative'),
	('SELECT * FROM sample_batch(''coll'', 1, rank => 1)', '22023', 'rank must be between 0 and world_size - 1'),
	('SELECT * FROM sample_batch(''coll'', 1, rank => -1)', '22023', 'rank must be between 0 and world_size - 1'),
	('SELECT * FROM sample_batch(''coll'', 1, rank => 2147483647, world_size => 2147483647)', '22023', 'rank must be between 0 and world_size - 1'),
	('SELECT * FROM sample_batch(''coll'', 1, world_size => 0)', '22023', 'world_size must be at least 1'),
	('SELECT * FROM sample_batch(''coll'', 1, world_size => -2147483648)', '22023', 'world_size must be at least 1'),
	('SELECT * FROM sample_batch(''coll'', 256, step => 4611686018427387904)', '22003', 'step 4611686018427387904 is beyond the end of the stream'),
	('SELECT * FROM sample_batch(''coll'', 2, step => 4611686018427387904)', '22003', 'step 4611686018427387904 is beyond the end of the stream'),
	('SELECT * FROM sample_batch(''coll'', 1000000, step => 4294967296, rank => 2147483646, world_size => 2147483647)', '22003', 'step 4294967296 is beyond the end of the stream'),
	-- columns
	('SELECT * FROM sample_batch(''coll'', 1, ''tissue'')', '42703', 'column "tissue" of collection "coll" does not exist'),
	('SELECT * FROM sample_batch(''coll'', 1, '''')', '42703', 'column "" of collection "coll" does not exist'),
	('SELECT * FROM sample_batch(''coll'', 1, repeat(''a'', 1000))', '42703', NULL),
	('SELECT * FROM sample_batch(''coll'', 1, ''cell_type, tissue'')', '42703', 'column "tissue" of collection "coll" does not exist'),
	('SELECT * FROM sample_batch(''coll'', 1, ''"Cell_Type"'')', '42703', 'column "Cell_Type" of collection "coll" does not exist'),
	('SELECT * FROM sample_batch(''coll'', 1, ''cell_type"'')', '42703', NULL),
	('SELECT * FROM sample_batch(''coll'', 1, ''"cell_type'')', '42703', NULL),
	('SELECT * FROM sample_batch(''coll'', 1, '','')', '42703', NULL),
	('SELECT * FROM sample_batch(''coll'', 1, ''x'')', '42809', 'column "x" is not an obs column'),
	('SELECT * FROM sample_batch(''coll'', 1, ''row_index'')', '42809', 'column "row_index" is not an obs column'),
	('SELECT * FROM sample_batch(''coll'', 1, ''cell_type; DROP TABLE coll'')', '42703', NULL),
	('SELECT * FROM labels(''coll'', ''tissue'')', '42703', 'column "tissue" of collection "coll" does not exist'),
	('SELECT * FROM labels(''coll'', ''obs_name'')', '42809', 'column "obs_name" is not an obs column'),
	('SELECT * FROM coll TABLESAMPLE weighted(''tissue'')', '42703', 'column "tissue" of collection "coll" does not exist'),
	('SELECT * FROM sample_batch(''coll'', 1, ''severity'', filter => ''file_index = 0'')', '55000', 'there is no row to sample'),
	-- relations
	('SELECT * FROM sample_batch(''none'', 1)', '42P01', 'relation "none" does not exist'),
	('SELECT * FROM sample_batch(0, 1)', '42P01', 'relation with OID 0 does not exist'),
	('SELECT * FROM sample_batch(''heap'', 1)', '42809', '"heap" is not a mappedcoll collection'),
	('SELECT * FROM sample_batch(''view'', 1)', '42809', '"view" is not a mappedcoll collection'),
	('SELECT * FROM labels(''pg_class'', ''relname'')', '42809', '"pg_class" is not a mappedcoll collection'),
	('SELECT * FROM collection_files(''heap'')', '42809', '"heap" is not a mappedcoll collection'),
	('SELECT * FROM collection_vars(''view'')', '42809', '"view" is not a mappedcoll collection'),
	('SELECT refresh_collection(''heap'')', '42809', '"heap" is not a mappedcoll collection'),
	('SELECT * FROM heap TABLESAMPLE weighted(''cell_type'')', '42809', 'TABLESAMPLE weighted can only be applied to mappedcoll collections'),
	('SELECT create_collection(''coll'', ARRAY[current_setting(''test.data'') || ''/demo''])', '42P07', 'relation "coll" already exists'),
	('SELECT ctid FROM coll', '0A000', 'a collection has no ctid'),
	('SELECT 1 FROM coll HAVING count(ctid) > 0', '0A000', 'a collection has no ctid'),
	('SELECT row_index FROM coll ORDER BY ctid', '0A000', 'a collection has no ctid'),
	('SELECT count(*) FROM coll GROUP BY xmin', '0A000', 'a collection has no xmin'),
	-- writing
	('INSERT INTO coll (row_index) VALUES (1)', '0A000', 'cannot insert into foreign table "coll_h5ad"'),
	('UPDATE coll SET cell_type = NULL', '0A000', 'cannot update foreign table "coll_h5ad"'),
	('DELETE FROM coll', '0A000', 'cannot delete from foreign table "coll_h5ad"'),
	('TRUNCATE coll', '0A000', 'cannot truncate foreign table "coll_h5ad"'),
	('COPY coll (row_index) FROM PROGRAM ''echo 1''', '0A000', 'cannot insert into foreign table "coll_h5ad"'),
	('COPY coll_h5ad (row_index) FROM PROGRAM ''echo 1''', '0A000', 'cannot insert into foreign table "coll_h5ad"'),
	-- arguments of create_collection
	('SELECT create_collection(''c'', ''{}'')', '22023', 'files must name at least one file'),
	('SELECT create_collection(''c'', ''{a.h5ad}'')', '22023', 'path of a file must be absolute: "a.h5ad"'),
	('SELECT create_collection(''c'', ''{/nonexistent/a.h5ad}'')', '58P01', 'could not open file "/nonexistent/a.h5ad": No such file or directory'),
	('SELECT create_collection(''c'', ''{/nonexistent/*.h5ad}'')', '58P01', 'no file matches "/nonexistent/*.h5ad"'),
	('SELECT create_collection(''c'', ARRAY[''/'' || repeat(''a'', 300)])', NULL, NULL),
	('SELECT create_collection(''c'', ARRAY[repeat(''/aaaaaaa'', 1000)])', NULL, NULL),
	('SELECT create_collection(''c'', ''{/dev/null}'')', '42809', '"/dev/null" is a device, not an h5ad file'),
	('SELECT create_collection(''c'', ''{/dev/zero/a}'')', '42809', 'could not open file "/dev/zero/a": Not a directory'),
	('SELECT create_collection(''c'', ''{}'', layer => ''Y'')', '22023', 'invalid layer: "Y"'),
	('SELECT create_collection(''c'', ''{}'', var_join => ''INNER'')', '22023', 'invalid var_join: "INNER"'),
	('SELECT create_collection(''c'', ''{}'', vectors => ''Array'')', '22023', 'invalid vectors: "Array"'),
	('SELECT create_collection(''c'', ARRAY[current_setting(''test.data'') || ''/demo''], genes => ''{NOGENE}'')', '42704', 'gene "NOGENE" is not in the collection'),
	('SELECT create_collection(''c'', ARRAY[current_setting(''test.data'') || ''/demo''], obsm => ''{X_umap}'')', '42704', 'no file has obsm "X_umap"'),
	('SELECT create_collection(''no.c'', ARRAY[current_setting(''test.data'') || ''/demo''])', '3F000', 'schema "no" does not exist');
SELECT throws_ok(query, state, message, format('%s: %s', coalesce(state, 'an error'), left(query, 150))) FROM wrong;
SELECT is((SELECT count(*) FROM pg_class WHERE relname IN ('c', 'c_h5ad')), 0::bigint, 'nothing is left of a collection that was not made');

-- hints and details
CREATE FUNCTION error_of(query text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
SELECT is((error_of('SELECT * FROM labels(''coll'', ''celltype'')')).hint, 'Perhaps you meant the column "cell_type".', 'a misspelled column');
SELECT is((error_of('SELECT * FROM sample_batch(''coll'', 1, rank => 3, world_size => 2)')).detail, 'rank is 3, world_size is 2.', 'a rank out of range');
SELECT isnt((error_of('SELECT * FROM sample_batch(''heap'', 1)')).hint, '', 'no collection');
SELECT isnt((error_of('SELECT create_collection(''c'', ''{/nonexistent/a.h5ad}'')')).hint, '', 'no file');

-- limits
SELECT lives_ok(query, query) FROM unnest(ARRAY[
	'SELECT * FROM sample_batch(''coll'', 1)',
	'SELECT * FROM sample_batch(''coll'', 1000000) LIMIT 3',
	'SELECT * FROM sample_batch(''coll'', 1, step => 9223372036854775807)',
	'SELECT * FROM sample_batch(''coll'', 1, ''cell_type'', step => 4611686018427387904)',
	'SELECT * FROM sample_batch(''coll'', 1, ''cell_type'', step => 4611686018427387904, replacement => false)',
	'SELECT * FROM sample_batch(''coll'', 1, step => 4611686018427387904, replacement => false)',
	'SELECT * FROM sample_batch(''coll'', 4, rank => 2147483646, world_size => 2147483647)',
	'SELECT * FROM sample_batch(''coll'', 4, ''cell_type'', rank => 2147483646, world_size => 2147483647, replacement => false)',
	'SELECT * FROM sample_batch(''coll'', 1, seed => -9223372036854775808)',
	'SELECT * FROM sample_batch(''coll'', 1, seed => 9223372036854775807)',
	'SELECT * FROM sample_batch(''coll'', 1, weight_by => NULL, seed => NULL, filter => NULL)']) AS query;
SELECT results_eq($$SELECT count(*), bool_and(row_index BETWEEN 0 AND 3199), bool_and(label IS NULL), bool_and(length(x) = 924 * 4)
	FROM sample_batch('coll', 10000, seed => 1)$$, $$VALUES (10000::bigint, true, true, true)$$,
	'a batch larger than the collection');
SELECT results_eq($$SELECT (sample_batch('coll', 3, seed => 1)).row_index$$, $$SELECT row_index FROM sample_batch('coll', 3, seed => 1)$$, 'in a select list');
SELECT results_eq($$SELECT s, b.row_index FROM generate_series(0, 2) AS s, LATERAL sample_batch('coll', 2, seed => 1, step => s) AS b$$,
	$$SELECT (n - 1) / 2, row_index FROM (SELECT row_index, row_number() OVER ()::int AS n FROM sample_batch('coll', 6, seed => 1)) AS b$$, 'in LATERAL');
SELECT is((SELECT count(*) FROM sample_batch('coll', 3, seed => 1) AS a, sample_batch('coll', 2, seed => 2) AS b), 6::bigint, 'twice in a query');
SELECT is((SELECT count(*) FROM (SELECT * FROM sample_batch('coll', 1000) LIMIT 2) AS s, collection_vars('coll'), labels('coll', 'sex'),
	collection_files('coll')), 2::bigint * 924 * 2 * 3, 'left off after two rows, and the others beside it');

-- an error leaves the transaction and the open collections as they were
CREATE FUNCTION stumble(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	good bigint := 0;
	drawn bigint;
BEGIN
	FOR i IN 1..n LOOP
		BEGIN
			SELECT count(*) INTO drawn FROM sample_batch('coll', 8, 'cell_type', seed => i,
				filter => CASE WHEN i % 2 = 1 THEN 'n_counts / (row_index - 1600) > -100000' ELSE 'true' END);
			good := good + drawn;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
	RETURN good;
END $$;
SELECT is(stumble(100), 400::bigint, 'fifty errors among fifty batches');
-- so does a statement that is cancelled (OTHERS does not catch that)
CREATE FUNCTION is_cancelled(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN fail(query || ' came to its end');
EXCEPTION WHEN query_canceled THEN
	RETURN pass('cancelled: ' || query);
END $$;
SET LOCAL statement_timeout = '50ms';
SELECT is_cancelled('SELECT count(x) FROM sample_batch(''coll'', 1000000)');
SELECT is_cancelled('SELECT sum(length(coll.x)) FROM generate_series(1, 100000), coll');
SELECT is_cancelled('SELECT count(*) FROM sample_batch(''coll'', 4, filter => ''pg_sleep(0.001) IS NOT NULL'')');
SELECT is_cancelled('SELECT count(*) FROM generate_series(1, 100000) AS s, LATERAL sample_batch(''coll'', 1, ''cell_type'', seed => s, replacement => false)');
SET LOCAL statement_timeout = 0;
SELECT is((SELECT count(x) FROM sample_batch('coll', 16, 'cell_type')), 16::bigint, 'and all works after it');
SAVEPOINT before;
ALTER TABLE coll RENAME COLUMN cell_type TO kind;
SELECT is((SELECT count(*) FROM labels('coll', 'kind')), 11::bigint, 'a new name of a column');
ROLLBACK TO before;
SELECT is((SELECT count(*) FROM labels('coll', 'cell_type')), 11::bigint, 'the old one after a rollback');
SAVEPOINT before;
DROP TABLE coll CASCADE;
SELECT throws_ok('SELECT * FROM sample_batch(''coll'', 1)', '42P01', NULL, 'a dropped collection');
ROLLBACK TO before;
SELECT is((SELECT count(*) FROM sample_batch('coll', 2)), 2::bigint, 'is back after a rollback');
SELECT * FROM finish();
ROLLBACK;
