--
-- files.sql
--		Files that change, that are damaged, that are something else; the
--		corpus of real files and the malformed ones.
--
-- Not in a transaction: an error in one statement must leave the session as
-- it was, and so must hundreds of them.
--
SELECT no_plan();
SET client_min_messages = warning;
SELECT set_config('test.data', :'data', false), set_config('test.corpus', :'corpus', false),
	set_config('test.malformed', :'malformed', false), pg_backend_pid() AS pid,
	current_setting('data_directory') || '/regress_files' AS dir
\gset
SELECT set_config('test.dir', :'dir', false);

-- Run a command of the shell as the server's user; it must read its input.
CREATE FUNCTION shell(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && cd ' || quote_literal(current_setting('test.dir')) || ' && ' || command);
END $$;
DO $$ BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && rm -rf ' || quote_literal(current_setting('test.dir')) || ' && mkdir ' || quote_literal(current_setting('test.dir')));
END $$;
-- SQLSTATE and message of an error, with the directory left out
CREATE FUNCTION error_of(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || replace(SQLERRM, current_setting('test.dir'), '');
END $$;
SELECT shell(format('cp %s/demo/pbmc_site_a.h5ad a.h5ad && cp %1$s/demo/pbmc_site_b.h5ad b.h5ad && cp %1$s/demo/pbmc_site_c.h5ad c.h5ad && chmod u+w *.h5ad',
	quote_literal(:'data')));

-- a file that is replaced while the collection is in use
SELECT create_collection('coll', ARRAY[:'dir' || '/a.h5ad', :'dir' || '/b.h5ad']);
SELECT is((SELECT count(x) FROM sample_batch('coll', 100, 'cell_type', seed => 1)), 100::bigint, 'copies of the demo files');
SELECT shell('cp a.h5ad kept.h5ad && cp c.h5ad new.h5ad && mv new.h5ad a.h5ad');
SELECT matches(error_of(q), '^55000 file "/a.h5ad" has changed since ', 'another file in its place: ' || q) FROM unnest(ARRAY[
	'SELECT * FROM sample_batch(''coll'', 100)', 'SELECT * FROM sample_batch(''coll'', 100, ''cell_type'', filter => ''file_index = 1'')',
	'SELECT count(*) FROM coll', 'SELECT cell_type FROM coll WHERE row_index = 2000', 'SELECT x FROM coll',
	'SELECT * FROM coll TABLESAMPLE weighted(''cell_type'')', 'SELECT * FROM labels(''coll'', ''cell_type'')',
	'SELECT * FROM collection_files(''coll'')', 'SELECT * FROM collection_vars(''coll'')']) AS q;
SELECT is(refresh_collection('coll'), 1, 'refresh_collection builds the manifest of the changed file');
SELECT results_eq($$SELECT n_obs, n_vars FROM collection_files('coll')$$, $$VALUES (500::bigint, 1250::bigint), (1200, 1420)$$, 'it is now another collection');
SELECT is((SELECT count(*) FROM sample_batch('coll', 500, 'donor_id', seed => 1) JOIN coll USING (row_index) WHERE label <> donor_id OR sample_batch.x <> coll.x), 0::bigint,
	'whose rows are those of the new file');
SELECT shell('mv kept.h5ad a.h5ad');
SELECT matches(error_of('SELECT count(x) FROM coll'), '^55000 file "/a.h5ad" has changed since ', 'the old file back is a change as well');
SELECT is(refresh_collection('coll'), 1, 'it can be refreshed again');
SELECT is(refresh_collection('coll'), 0, 'without a change nothing is built');

-- written to in place, cut off, moved away
SELECT shell('sleep 0.01; touch a.h5ad');
SELECT matches(error_of('SELECT count(x) FROM coll'), '^55000 file "/a.h5ad" has changed since ', 'a new modification time');
SELECT is(refresh_collection('coll'), 1, 'and a refresh');
SELECT shell('cp a.h5ad kept.h5ad && truncate -s 500000 a.h5ad');
SELECT matches(error_of('SELECT count(x) FROM coll'), '^55000 file "/a.h5ad" has changed since ', 'a truncated file has changed');
SELECT matches(error_of('SELECT refresh_collection(''coll'')'), '^XX001 file "/a.h5ad": ', 'and is damaged for refresh_collection');
SELECT matches(error_of('SELECT create_collection(''cut'', ARRAY[current_setting(''test.dir'') || ''/a.h5ad''])'), '^XX001 file "/a.h5ad": ', 'and for create_collection');
SELECT shell('rm a.h5ad');
SELECT matches(error_of(q), '^58P01 could not (open|stat) file "/a.h5ad": No such file or directory$', 'a file that is gone: ' || q) FROM unnest(ARRAY[
	'SELECT count(x) FROM coll', 'SELECT * FROM sample_batch(''coll'', 1)', 'SELECT * FROM labels(''coll'', ''cell_type'')', 'SELECT refresh_collection(''coll'')']) AS q;
-- a role without rights on the collection learns nothing of the files
CREATE ROLE regress_mc_none;
SET ROLE regress_mc_none;
CREATE TEMP TABLE learnt AS SELECT q, error_of(q) AS error FROM unnest(ARRAY[
	'SELECT count(*) FROM coll', 'SELECT x FROM coll', 'EXPLAIN SELECT x FROM coll', 'SELECT x FROM coll TABLESAMPLE weighted(''cell_type'')',
	'SELECT * FROM sample_batch(''coll'', 1)', 'SELECT * FROM labels(''coll'', ''cell_type'')', 'SELECT * FROM collection_files(''coll'')',
	'SELECT * FROM collection_vars(''coll'')']) AS q;
RESET ROLE;
SELECT is(error, '42501 permission denied for table coll', 'a role without rights learns nothing of the files: ' || q) FROM learnt;
DROP TABLE learnt;
DROP ROLE regress_mc_none;
SELECT shell('mkdir a.h5ad');
SELECT matches(error_of('SELECT refresh_collection(''coll'')'), '^42809 "/a.h5ad" is a directory', 'a directory in its place');
SELECT shell('rmdir a.h5ad && mkfifo a.h5ad');
SELECT matches(error_of(q), '^(42809 "/a.h5ad" is a named pipe|55000 file "/a.h5ad" has changed)', 'a named pipe does not hang: ' || q) FROM unnest(ARRAY[
	'SELECT refresh_collection(''coll'')', 'SELECT count(x) FROM coll']) AS q;
SELECT shell('rm a.h5ad && mv kept.h5ad a.h5ad');
SELECT is(refresh_collection('coll'), 1, 'the file is back');
SELECT is((SELECT count(x) FROM sample_batch('coll', 100, 'cell_type', seed => 1)), 100::bigint, 'and all works');

-- the manifests: gone, damaged, of others
SELECT is((SELECT count(*) FROM pg_ls_dir(current_setting('mappedcoll.manifest_directory')) AS f) > 0, true, 'manifests lie in the data directory');
DO $$ BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && rm -rf ' || quote_literal(current_setting('data_directory') || '/mappedcoll'));
END $$;
SELECT is((SELECT count(x) FROM sample_batch('coll', 100, 'cell_type', seed => 1)), 100::bigint, 'a session goes on without the manifest directory');
SELECT is(refresh_collection('coll'), 2, 'refresh_collection builds all that are missing');
CREATE TEMP TABLE expected AS SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1);
CREATE FUNCTION damage_manifests(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- replaced, as no program of ours writes to a manifest that may be in use
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && cd ' || quote_literal(current_setting('data_directory') || '/mappedcoll')
		|| ' && for f in *; do cp "$f" tmp && { ' || command || '; } && mv tmp "$f" || exit 1; done');
END $$;
CREATE FUNCTION rows_after(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	built int;
	different bigint;
BEGIN
	PERFORM damage_manifests(command);
	built := refresh_collection('coll');
	SELECT count(*) INTO different FROM (
		(TABLE expected EXCEPT ALL SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) UNION ALL
		(SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1) EXCEPT ALL TABLE expected)) AS d;
	RETURN format('%s built, %s rows differ', built, different);
EXCEPTION WHEN data_corrupted THEN
	-- not to be met again by the tests that follow
	PERFORM damage_manifests(': > tmp');
	PERFORM refresh_collection('coll');
	RETURN SQLERRM;
END $$;
SELECT is(rows_after(command), '2 built, 0 rows differ', 'manifests damaged by ' || command) FROM unnest(ARRAY[
	': > tmp', 'truncate -s 100 tmp', 'truncate -s -1 tmp', 'truncate -s +4096 tmp', 'echo garbage > tmp',
	'dd if=/dev/zero of=tmp bs=1 count=8 conv=notrunc status=none', 'dd if=/dev/urandom of=tmp bs=1000 seek=20 count=50 conv=notrunc status=none',
	'cp /etc/passwd tmp']) AS command;
-- each manifest under the name of another one
DO $$ BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && cd ' || quote_literal(current_setting('data_directory') || '/mappedcoll')
		|| ' && set -- * && mv "$1" tmp && mv "$2" "$1" && mv tmp "$2"');
END $$;
SELECT is(refresh_collection('coll'), 2, 'a manifest of another file is not taken');
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint, 'the rows are right');
-- in memory
SET mappedcoll.manifest_directory = '';
SELECT is(refresh_collection('coll'), 2, 'manifests in the memory of the session');
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint, 'the rows are right');
SET client_min_messages = error; -- a WARNING tells of it
SET mappedcoll.manifest_directory = '/proc/no/such/directory';
SELECT is(refresh_collection('coll'), 2, 'a directory that cannot be written is no error');
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint, 'the rows are right');
RESET mappedcoll.manifest_directory;
SET client_min_messages = warning;
-- few descriptors
SET mappedcoll.max_open_files = 1;
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint, 'one open file at a time');
RESET mappedcoll.max_open_files;
SET mappedcoll.max_chunk_size = 64;
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint, 'chunks of the demo files are small');
RESET mappedcoll.max_chunk_size;

-- files that are something else
SELECT shell('echo hello > text.h5ad && : > empty.h5ad && head -c 8 b.h5ad > signature.h5ad && head -c 300000 b.h5ad > half.h5ad && mkdir -p none sub && cp c.h5ad sub/ && ln -s ../c.h5ad sub/link.h5ad && ln -s loop.h5ad loop.h5ad && cp c.h5ad closed.h5ad && chmod 0 closed.h5ad && ln c.h5ad "it''s {a} \"file\", *.h5ad"');
SELECT matches(error_of(format('SELECT create_collection(''other'', ARRAY[%L])', :'dir' || '/' || file)), expected, file || ': ' || expected) FROM (VALUES
	('text.h5ad', '^42809 file "/text.h5ad": not an HDF5 file$'), ('empty.h5ad', '^42809 file "/empty.h5ad": '),
	('signature.h5ad', '^42809 file "/signature.h5ad": '), ('half.h5ad', '^XX001 file "/half.h5ad": '),
	('none', '^58P01 directory "/none" has no .h5ad files$'), ('no*.h5ad', '^58P01 no file matches "/no\*.h5ad"$'),
	('loop.h5ad', '^[0-9A-Z]{5} could not open file "/loop.h5ad": Too many levels of symbolic links$')) AS v (file, expected);
SELECT matches(error_of(format('SELECT create_collection(''other'', ARRAY[%L])', :'dir' || '/closed.h5ad')),
	'^42501 could not open file "/closed.h5ad": Permission denied$', 'a file that the server may not read');
SELECT create_collection('odd', ARRAY[:'dir' || '/it''s {a} "file", *.h5ad']);
SELECT is((SELECT count(x) FROM odd), 500::bigint, 'a path with all that needs quotes');
SELECT is((SELECT path FROM collection_files('odd')), :'dir' || '/it''s {a} "file", *.h5ad', 'is shown as it is');
DROP TABLE odd;
SELECT create_collection('odd', ARRAY[:'dir' || '/sub/', :'dir' || '//c.h5ad']);
SELECT is((SELECT count(*) FROM collection_files('odd')), 2::bigint, 'a link and its target are one file');
DROP TABLE odd;
-- no gene in common
SELECT skip('../shared/corpus is not there', 2) WHERE :'corpus' = '';
SELECT matches(error_of(format('SELECT create_collection(''other'', ARRAY[%L, %L])', :'dir' || '/c.h5ad', :'corpus' || '/bpcells-v0.7.h5ad')),
	'^22023 ', 'two files without a common gene') WHERE :'corpus' <> '';
SELECT is(error_of(format('SELECT create_collection(''other'', ARRAY[%L, %L], var_join => ''outer'')', :'dir' || '/c.h5ad', :'corpus' || '/bpcells-v0.7.h5ad')),
	'no error', 'but with an outer join') WHERE :'corpus' <> '';
DROP TABLE IF EXISTS other;

-- the corpus: each file gives rows, or a clear error
CREATE FUNCTION try_file(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n_rows bigint;
	n_read bigint;
	has_matrix boolean;
	result text := 'rows';
BEGIN
	BEGIN
		PERFORM create_collection('tried', ARRAY[path], vectors => 'array');
		SELECT n_obs, encoding IS NOT NULL INTO n_rows, has_matrix FROM collection_files('tried');
		EXECUTE 'SELECT count(*) FROM (SELECT row_index, obs_name FROM tried) AS t' INTO n_read;
		IF has_matrix THEN
			EXECUTE 'SELECT count(*) FROM tried WHERE cardinality(x_indices) = cardinality(x_values)
				AND cardinality(x) = (SELECT n_vars FROM collection_files(''tried''))' INTO n_read;
		END IF;
		IF n_read <> n_rows THEN
			result := format('%s rows of %s', n_read, n_rows);
		END IF;
		DROP TABLE tried;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END;
	RETURN result;
END $$;
SELECT skip('../shared/corpus is not there') WHERE :'corpus' = '';
SELECT is(try_file(:'corpus' || '/' || f), 'rows', f) FROM (
	SELECT f FROM pg_ls_dir(nullif(:'corpus', '')) AS f WHERE f LIKE '%.h5ad' ORDER BY f) AS s;

-- malformed files: each is an error that names the file, in this one session
SET mappedcoll.manifest_cpu_time = 1;
SELECT count(*) AS n_descriptors FROM pg_ls_dir('/proc/self/fd')
\gset
SELECT skip('../shared/malformed-hdf5 is not there') WHERE :'malformed' = '';
SELECT matches(replace(try_file(:'malformed' || '/' || d || '/' || f), :'malformed', ''), '^(42809|XX001|0A000|53200|54000) file "/' || d || '/' || f || '": .', f)
FROM (SELECT d, f FROM (VALUES ('cvefiles'), ('fuzzerfiles')) AS v (d), pg_ls_dir(nullif(:'malformed', '') || '/' || d) AS f ORDER BY d, f) AS s;
RESET mappedcoll.manifest_cpu_time;
SELECT cmp_ok((SELECT count(*) FROM pg_ls_dir('/proc/self/fd')), '<', (:n_descriptors + 10)::bigint, 'all those errors left no descriptors open');
SELECT is(pg_backend_pid(), :pid, 'it is still the same session');
SELECT is((SELECT count(*) FROM (TABLE expected EXCEPT SELECT row_index, label, x FROM sample_batch('coll', 100, 'cell_type', seed => 1)) AS d), 0::bigint,
	'which draws what it drew before');
SELECT is((SELECT count(*) FROM pg_ls_dir(:'dir') AS f WHERE f LIKE '%tmp%'), 0::bigint, 'nothing is left beside the files');
SELECT is((SELECT array_agg(f) FROM pg_ls_dir('mappedcoll') AS f WHERE f LIKE '%tmp%' OR f LIKE '%temp%'), NULL, 'and no temporary manifest');

DROP TABLE coll;
DROP FUNCTION try_file, rows_after, damage_manifests, error_of;
DO $$ BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat >/dev/null && rm -rf ' || quote_literal(current_setting('test.dir')));
END $$;
DROP FUNCTION shell;
SELECT * FROM finish();
