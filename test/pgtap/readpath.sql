--
-- readpath.sql
--		What a stream costs, and when its errors come, where nothing is read or
--		nothing is decoded.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT set_config('test.dir', current_setting('data_directory') || '/regress_readpath', false) AS dir
\gset
CREATE FUNCTION pg_temp.shell(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && ' || command);
END $$;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);

-- a rank that has no row in any step: batches without rows are not piled up
CREATE FUNCTION pg_temp.held(steps int, size text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	bytes bigint;
	n bigint;
BEGIN
	PERFORM set_config('mappedcoll.window_size', size, true);
	OPEN c FOR SELECT batch FROM sample_csr('coll', 1, seed => 1, n_steps => steps, rank => 1999999, world_size => 2000000,
		replacement => false) WHERE n_rows = 0;
	MOVE FORWARD steps - 1 FROM c;
	EXECUTE 'SELECT max(total_bytes) FROM pg_backend_memory_contexts WHERE name = ''SRF multi-call context''' INTO bytes;
	FETCH c INTO n;
	CLOSE c;
	RETURN format('%s batches, %s', n + 1, CASE WHEN bytes < 1024 * 1024 THEN 'less than 1 MB' ELSE bytes || ' bytes' END);
END $$;
SELECT CASE WHEN to_regclass('pg_catalog.pg_backend_memory_contexts') IS NULL
	THEN skip('PostgreSQL 13 does not tell what memory contexts hold', 2)
	ELSE collect_tap(ARRAY(SELECT is(pg_temp.held(300000, size), '300000 batches, less than 1 MB', 'batches without rows, window_size ' || size)
		FROM unnest(ARRAY['0', '100kB']) AS size)) END;

-- a file that cannot be opened is the error of the first batch with a row of it
SELECT pg_temp.shell(format('rm -rf %1$s && mkdir -p %1$s/plain %1$s/gzip && cp %2$s/h5ad/anndata_0_7.h5ad %1$s/plain/a.h5ad && cp %1$s/plain/a.h5ad %1$s/plain/b.h5ad'
	' && cp %2$s/demo/pbmc_site_a.h5ad %1$s/gzip/a.h5ad && cp %2$s/demo/pbmc_site_b.h5ad %1$s/gzip/b.h5ad',
	quote_literal(:'dir'), quote_literal(:'data')));
SELECT create_collection('plain', ARRAY[:'dir' || '/plain']), create_collection('gzip', ARRAY[:'dir' || '/gzip']);
SELECT is((SELECT count(DISTINCT file_index) FROM plain), 2::bigint, 'two files that need no decoding');
SELECT pg_temp.shell(format('chmod 000 %1$s/plain/b.h5ad %1$s/gzip/b.h5ad', quote_literal(:'dir')));
CREATE FUNCTION pg_temp.delivered(name text, s int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
	n int := 0;
BEGIN
	OPEN c FOR SELECT batch, data FROM sample_csr(name, 1, seed => s, n_steps => 20);
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		n := n + 1;
	END LOOP;
	RETURN n || ' no error';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN n || ' batches';
END $$;
CREATE TEMP TABLE first_of_b AS SELECT c.name, s, min(r.batch) FILTER (WHERE r.row_index >= c.n) AS batch
FROM (VALUES ('plain', (SELECT count(*) FROM plain WHERE file_index = 0)), ('gzip', (SELECT count(*) FROM gzip WHERE file_index = 0))) AS c (name, n),
	generate_series(1, 20) AS s, sample_rows(c.name, 1, seed => s, n_steps => 20) AS r GROUP BY c.name, s;
SELECT cmp_ok((SELECT count(*) FROM first_of_b WHERE name = 'gzip' AND batch >= 2), '>', 0::bigint, 'some streams come to the file in a window');
SELECT is(pg_temp.delivered(name, s), batch || ' batches', format('an error comes with its batch: %s, seed %s', name, s)) FROM first_of_b ORDER BY name, s;
SELECT pg_temp.shell(format('rm -rf %s', quote_literal(:'dir')));

-- what streams side by side needed is not kept for each collection
CREATE FUNCTION pg_temp.resident_after(name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	cursors refcursor[];
	c refcursor;
BEGIN
	FOR i IN 1 .. 10 LOOP
		c := NULL;
		OPEN c FOR SELECT length(data) FROM sample_dense(name, 1000, seed => i);
		MOVE NEXT FROM c;
		cursors := cursors || c;
	END LOOP;
	FOREACH c IN ARRAY cursors LOOP
		CLOSE c;
	END LOOP;
	RETURN substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmRSS:\s+(\d+) kB')::int;
END $$;
SELECT create_collection('coll' || i, ARRAY[:'data' || '/demo']) FROM generate_series(1, 5) AS i;
SET mappedcoll.cache_size = 0;
SELECT pg_temp.resident_after('coll1') AS first
\gset
SELECT max(pg_temp.resident_after('coll' || i)) AS last FROM generate_series(2, 5) AS i
\gset
SELECT cmp_ok(:last - :first, '<', 65536, 'ten streams of five collections leave no more than those of one: ' || :first || ' and ' || :last || ' kB');

SELECT * FROM finish();
ROLLBACK;
