--
-- stats.sql
--		mappedcoll_stats: what this session read, exact where it is determined.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
CREATE ROLE regress_mc_none;
CREATE ROLE regress_mc_columns;
CREATE ROLE regress_mc_partition;

-- the numbers of coll that must be so, as text
CREATE FUNCTION pg_temp.stats(columns text, name text DEFAULT 'coll') RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT concat_ws('' '', %s) FROM mappedcoll_stats WHERE collection::text = %L', columns, name)
		INTO result;
	RETURN result;
END $$;
-- what a query adds to a number
CREATE FUNCTION pg_temp.adds(col text, query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE before float8 := pg_temp.stats(col);
BEGIN
	EXECUTE query;
	RETURN pg_temp.stats(col)::float8 - before;
END $$;
-- a property of the scan of a query, by EXPLAIN with options
CREATE FUNCTION pg_temp.explained(options text, property text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE format('EXPLAIN (%s, FORMAT JSON) %s', options, query) INTO plan;
	RETURN jsonb_path_query_first(plan, '$.** ? (@."Node Type" == "Foreign Scan")')->>property;
END $$;

-- the view itself
SELECT is((SELECT count(*) FROM mappedcoll_stats), 0::bigint, 'a session that used no collection has no rows');
SELECT is((SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'mappedcoll_stats'::regclass
	AND col_description(attrelid, attnum) IS NULL), NULL, 'every column is described');
SELECT ok(has_table_privilege('regress_mc_none', 'mappedcoll_stats', 'SELECT')
	AND has_function_privilege('regress_mc_none', 'mappedcoll_stats_reset()', 'EXECUTE'), 'everybody may ask and reset');
SELECT is((SELECT setting || unit FROM pg_settings WHERE name = 'mappedcoll.cache_size'), '65536kB', 'the cache has 64 MB');

-- rows appear with the first use, and count
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
SELECT ok(count(*) > 0, 'the collection has rows') FROM coll;
SELECT is(pg_temp.stats('files, files_open, rows, batches, bytes_read, chunks_decoded, cache_hits, cache_rows'),
	'3 0 0 0 0 0 0 0', 'a scan of obs columns reads no h5ad file');
SELECT is((SELECT stats_reset FROM mappedcoll_stats), NULL, 'no reset yet');
SELECT count(*) FROM sample_batch('coll', 64, 'cell_type', seed => 1);
SELECT is(pg_temp.stats('rows, batches'), '64 1', 'sample_batch: a batch of 64 rows');
SELECT ok((SELECT bytes_read > 0 AND chunks_decoded > 0 AND read_time > 0 AND decode_time > 0 AND files_open BETWEEN 1 AND 3
	FROM mappedcoll_stats), 'which were read and decoded');
SELECT is(pg_temp.adds('rows', q), r, 'rows of ' || q) FROM (VALUES
	('SELECT count(*) FROM sample_csr(''coll'', 16, ''cell_type'', seed => 2, n_steps => 5)', 80.0::float8),
	('SELECT count(*) FROM sample_csr(''coll'', 16, seed => 2, n_steps => 5, part_rows => 3)', 80),
	('SELECT count(*) FROM sample_dense(''coll'', 8, seed => 2, n_steps => 2)', 16),
	('SELECT count(*) FROM sample_batch(''coll'', 1000, seed => 2, replacement => false, step => 3)', 200),
	('SELECT count(*) FROM fetch_csr(''coll'', ''{1,5,1}'')', 3),
	('SELECT count(x) FROM coll WHERE row_index < 10', 10),
	('SELECT count(x) FROM coll WHERE row_index < 10 AND obs_name = ''nobody''', 0),
	('SELECT count(cell_type) FROM coll', 0),
	('SELECT x FROM coll TABLESAMPLE weighted(''cell_type'') LIMIT 7', 7),
	('SELECT count(*) FROM sample_rows(''coll'', 16, seed => 2, n_steps => 3)', 0)) AS v (q, r);
SELECT is(pg_temp.adds('batches', q), r, 'batches of ' || q) FROM (VALUES
	('SELECT count(*) FROM sample_csr(''coll'', 16, ''cell_type'', seed => 2, n_steps => 5)', 5.0::float8),
	('SELECT count(*) FROM sample_csr(''coll'', 16, seed => 2, n_steps => 5, part_rows => 3)', 5),
	('SELECT count(*) FROM sample_dense(''coll'', 8, seed => 2, n_steps => 2)', 2),
	('SELECT count(*) FROM sample_batch(''coll'', 1000, seed => 2)', 1),
	('SELECT count(*) FROM sample_rows(''coll'', 16, seed => 2, n_steps => 3)', 3),
	('SELECT count(*) FROM fetch_csr(''coll'', ''{1,5,1}'')', 1),
	('SELECT count(x) FROM coll WHERE row_index < 10', 0)) AS v (q, r);

-- the time between two rows of a stream
SELECT ok(pg_temp.adds('send_time', 'SELECT batch, pg_sleep(0.02) FROM sample_csr(''coll'', 4, n_steps => 3)') BETWEEN 59 AND 60000,
	'what happens to a row before the next one is asked for is sending');

-- the cache: what was drawn is there the next time.  Rows of the dense third file are as near as ever
CREATE FUNCTION pg_temp.draw() RETURNS text LANGUAGE sql AS $$
	SELECT $q$SELECT count(*) FROM sample_csr('coll', 64, 'cell_type', seed => 77, filter => 'file_index < 2')$q$ $$;
SELECT set_config('test.distinct', count(DISTINCT row_index)::text, true)
FROM sample_batch('coll', 64, 'cell_type', seed => 77, filter => 'file_index < 2');
SET mappedcoll.cache_size = 0;
SELECT ok(pg_temp.adds('chunks_decoded', pg_temp.draw()) > 0, 'without a cache, a batch is read');
SELECT is(pg_temp.stats('cache_rows, cache_bytes'), '0 0', 'and the cache is empty');
SELECT is(pg_temp.adds('cache_hits', pg_temp.draw()), 0::float8, 'and nothing is found there');
RESET mappedcoll.cache_size;
SELECT is(pg_temp.adds('cache_hits', pg_temp.draw()), 0::float8, 'nor is it in an empty one');
SELECT is(pg_temp.stats('cache_rows'), current_setting('test.distinct'), 'the rows of the batch are in the cache then');
SELECT ok((SELECT cache_bytes BETWEEN cache_rows * 8 AND 64 * 1024 * 1024 FROM mappedcoll_stats), 'in no more than its size');
SELECT is(pg_temp.adds('cache_hits', pg_temp.draw()), current_setting('test.distinct')::float8, 'the same batch again is found');
SELECT is(pg_temp.adds('chunks_decoded + bytes_read', pg_temp.draw()), 0::float8, 'and costs no read');
SELECT is(pg_temp.adds('rows', pg_temp.draw()), 64::float8, 'and counts as rows');
SET mappedcoll.cache_size = '64kB';
SELECT ok(pg_temp.adds('rows', pg_temp.draw()) = 64 AND (SELECT cache_bytes <= 65536 FROM mappedcoll_stats), 'a smaller size is kept');
SET mappedcoll.cache_size = 0;
SELECT is(pg_temp.adds('cache_hits', pg_temp.draw()), 0::float8, 'without a cache nothing is found again');
SELECT is(pg_temp.stats('cache_rows, cache_bytes'), '0 0', 'and what was there is gone');
RESET mappedcoll.cache_size;

-- and it changes nothing: batches by labels, uniform and of an epoch, the weights changing between them
CREATE FUNCTION pg_temp.digest(size text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	PERFORM set_config('mappedcoll.cache_size', size, true);
	SELECT md5(string_agg(md5(row_index || indptr || indices || data), '' ORDER BY by, replacement, batch)) INTO result
	FROM unnest(ARRAY['cell_type', 'donor_id', NULL]) AS by, unnest(ARRAY[true, false]) AS replacement,
		LATERAL sample_csr('coll', 256, by, seed => 5, n_steps => 20, replacement => replacement);
	RETURN result;
END $$;
SELECT is(pg_temp.digest(s), pg_temp.digest('0'), 'the same batches with a cache of ' || s)
FROM unnest(ARRAY['1kB', '100kB', '1MB', '64MB', '64MB']) AS s;
SET mappedcoll.cache_size = 0;
SELECT pg_temp.adds('rows', pg_temp.draw());
RESET mappedcoll.cache_size;

-- EXPLAIN
SELECT is(pg_temp.explained('ANALYZE', 'Cache Hits', 'SELECT donor_id FROM coll'), '0', 'EXPLAIN (ANALYZE) shows cache hits');
SELECT is(pg_temp.explained('ANALYZE OFF', 'Cache Hits', 'SELECT x FROM coll'), NULL, 'EXPLAIN does not');
SELECT is(pg_temp.explained(o, p, 'SELECT x FROM coll WHERE row_index = 3') IS NOT NULL, shown,
	format('EXPLAIN (%s): %s', o, p)) FROM (VALUES ('ANALYZE, VERBOSE', true), ('ANALYZE', false),
	('ANALYZE, VERBOSE, TIMING OFF', false), ('VERBOSE', false)) AS v (o, shown), unnest(ARRAY['Read Time', 'Decode Time']) AS p;

-- a scan finds what was drawn
SET mappedcoll.cache_size = 0;
SELECT pg_temp.adds('rows', pg_temp.draw());
RESET mappedcoll.cache_size;
SELECT count(*) FROM sample_csr('coll', 64, 'cell_type', seed => 77, filter => 'file_index < 2');
SELECT set_config('test.rows', array_agg(DISTINCT row_index)::text, true)
FROM sample_batch('coll', 64, 'cell_type', seed => 77, filter => 'file_index < 2');
SELECT is(pg_temp.explained('ANALYZE', p, format('SELECT x_indices FROM coll WHERE row_index = ANY (%L)', current_setting('test.rows'))), v,
	'a scan of what is in the cache: ' || p)
FROM (VALUES ('Cache Hits', current_setting('test.distinct')), ('Bytes Read', '0'), ('Chunks Decoded', '0')) AS v (p, v);

-- reset
SELECT mappedcoll_stats_reset();
SELECT is(pg_temp.stats('rows, batches, bytes_read, chunks_decoded, cache_hits, read_time, decode_time, send_time'),
	'0 0 0 0 0 0 0 0', 'a reset sets the counters to 0');
SELECT is(pg_temp.stats('files, cache_rows'), '3 ' || current_setting('test.distinct'), 'but not what there is');
SELECT ok((SELECT stats_reset BETWEEN now() AND clock_timestamp() FROM mappedcoll_stats), 'and says when it was');

-- a stream that goes on counts what comes after
DECLARE batches CURSOR FOR SELECT batch FROM sample_csr('coll', 8, seed => 3, n_steps => 100000);
FETCH 3 FROM batches;
SELECT ok((SELECT batches BETWEEN 2 AND 3 AND rows >= 24 FROM mappedcoll_stats), 'a stream counts as it goes');
SELECT mappedcoll_stats_reset();
FETCH 2 FROM batches;
SELECT ok((SELECT batches BETWEEN 2 AND 3 FROM mappedcoll_stats), 'after a reset from 0 on');
CLOSE batches;

-- what is counted stays when the collection is opened anew
SELECT mappedcoll_stats_reset();
SELECT count(*) FROM fetch_csr('coll', '{1,2,3}');
SELECT refresh_collection('coll');
SELECT is(pg_temp.stats('rows, batches, cache_rows'), '3 1 0', 'a refresh keeps the counters and empties the cache');
ALTER FOREIGN TABLE coll_h5ad ALTER COLUMN cell_type SET STATISTICS 5;
SELECT count(*) FROM fetch_csr('coll', '{1,2,3}');
SELECT is(pg_temp.stats('rows, batches, files'), '6 2 3', 'so does a change of the definition');

-- who sees what
GRANT SELECT (cell_type) ON coll TO regress_mc_columns;
GRANT SELECT ON coll_h5ad TO regress_mc_partition;
CREATE TABLE seen (role text, names text);
GRANT INSERT ON seen TO PUBLIC;
SET ROLE regress_mc_none;
INSERT INTO seen SELECT current_user, string_agg(collection::text, ',') FROM mappedcoll_stats;
SET ROLE regress_mc_columns;
INSERT INTO seen SELECT current_user, string_agg(collection::text, ',') FROM mappedcoll_stats;
SET ROLE regress_mc_partition;
INSERT INTO seen SELECT current_user, string_agg(collection::text, ',') FROM mappedcoll_stats;
RESET ROLE;
SELECT is((SELECT array_agg(role || ' ' || coalesce(names, '-') ORDER BY role) FROM seen),
	ARRAY['regress_mc_columns coll', 'regress_mc_none -', 'regress_mc_partition coll'],
	'a collection is shown to who may SELECT a column of it or of its partition');

-- a foreign table that is no partition is shown itself
\set site_c :data '/demo/pbmc_site_c.h5ad'
CREATE FOREIGN TABLE alone (row_index bigint, x bytea) SERVER mappedcoll OPTIONS (files :'site_c');
SELECT count(*) FROM fetch_csr('alone', '{3,4}');
SELECT is(pg_temp.stats('files, rows', 'alone'), '1 2', 'a foreign table that is no partition is shown itself');
DROP FOREIGN TABLE alone;

-- dropped, the collection is gone, and another of its name begins anew
DROP TABLE coll;
SELECT is((SELECT count(*) FROM mappedcoll_stats WHERE collection::text IN ('coll', 'coll_h5ad') OR collection::text ~ '^\d'),
	0::bigint, 'a dropped collection is not shown');
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
SELECT count(*) FROM fetch_csr('coll', '{1}');
SELECT is(pg_temp.stats('rows, batches'), '1 1', 'another one of that name begins at 0');
SAVEPOINT before;
SELECT create_collection('undone', ARRAY[:'data' || '/demo']);
SELECT count(*) FROM fetch_csr('undone', '{1}');
SELECT is(pg_temp.stats('rows', 'undone'), '1', 'a collection of this transaction counts');
ROLLBACK TO before;
SELECT is(pg_temp.stats('rows', 'undone'), NULL, 'and is gone when that is rolled back');

-- one that is dropped while it is read
DECLARE going CURSOR FOR SELECT batch FROM sample_csr('coll', 8, seed => 3, n_steps => 10);
FETCH 1 FROM going;
DROP TABLE coll;
SELECT is((SELECT count(*) FROM mappedcoll_stats), 0::bigint, 'a collection dropped under a stream is not shown');
FETCH ALL FROM going;
CLOSE going;
SELECT is((SELECT count(*) FROM mappedcoll_stats), 0::bigint, 'nor when the stream has ended');

-- many
SELECT create_collection('c' || i, ARRAY[:'data' || '/demo/pbmc_site_c.h5ad']) FROM generate_series(1, 150) AS i;
SELECT sum(n) FROM (SELECT (SELECT count(*) FROM fetch_csr(('c' || i)::regclass, '{1,2}')) AS n FROM generate_series(1, 150) AS i) AS s;
SELECT is((SELECT ARRAY[count(*), sum(rows), min(rows), max(rows), sum(files)] FROM mappedcoll_stats),
	ARRAY[150, 300, 2, 2, 150]::numeric[], '150 collections have a row each');
SELECT ok((SELECT sum(cache_bytes) <= 64 * 1024 * 1024 FROM mappedcoll_stats), 'and share one cache size');
DO $$ BEGIN FOR i IN 1..149 LOOP EXECUTE 'DROP TABLE c' || i; END LOOP; END $$;
SELECT is((SELECT string_agg(collection::text, ',') FROM mappedcoll_stats), 'c150', 'dropped ones go');

SELECT * FROM finish();
ROLLBACK;
