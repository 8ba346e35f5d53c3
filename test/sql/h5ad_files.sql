--
-- h5ad_files.sql
--		What each of the odd files of test/data/h5ad gives: rows, or an error.
--
\set h5ad :data '/h5ad'
SELECT set_config('test.h5ad', :'h5ad', false) IS NOT NULL AS set;
SET mappedcoll.manifest_cpu_time = 10;
CREATE FUNCTION outcome_of(file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	columns text;
	layer text;
	line text;
	detail text;
	hint text;
	said text := '';
BEGIN
	FOREACH layer IN ARRAY ARRAY['X', 'raw/X'] LOOP
		BEGIN
			PERFORM create_collection('tried', ARRAY[current_setting('test.h5ad') || '/' || file], layer, vectors => 'array');
			SELECT string_agg(attname || ' ' || format_type(atttypid, -1), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
			WHERE attrelid = 'tried'::regclass AND attnum > 3 AND attname NOT IN ('x', 'x_indices', 'x_values');
			SELECT format('%s rows, %s genes, %s %s; obs: %s', n_obs, n_vars, encoding, dtype, coalesce(columns, 'none')) INTO line
			FROM collection_files('tried');
			EXECUTE 'SELECT md5(string_agg(tried::text, '','' ORDER BY row_index)) FROM tried' INTO result;
			DROP TABLE tried;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS line = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			-- what HDF5 says differs between its versions
			detail := regexp_replace(detail, '^HDF5 says: .*', 'HDF5 says: ...');
			line := SQLSTATE || ' ' || replace(concat_ws(E'\n  ', line, nullif(detail, ''), nullif(hint, '')), current_setting('test.h5ad') || '/', '');
		END;
		CONTINUE WHEN layer = 'raw/X' AND line LIKE '42704%';
		said := said || layer || ': ' || line || E'\n';
	END LOOP;
	RETURN said;
END $$;
\pset format unaligned
\pset tuples_only on
\pset expanded on
SELECT f AS file, outcome_of(f) AS outcome FROM (
	SELECT f FROM pg_ls_dir(current_setting('test.h5ad')) AS f ORDER BY f COLLATE "C") AS s;
\pset expanded off
\pset tuples_only off
\pset format aligned
DROP FUNCTION outcome_of;
RESET mappedcoll.manifest_cpu_time;
