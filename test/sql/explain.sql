--
-- explain.sql
--		What goes down to the read, as EXPLAIN shows it; more of conditions, and
--		parallel scans, in pushdown.sql.
--
SET max_parallel_workers_per_gather = 0;
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo'], genes => ARRAY['CD3D'], obsm => ARRAY['X_pca']);

-- columns
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll;
EXPLAIN (COSTS OFF) SELECT x, "CD3D", "X_pca" FROM coll ORDER BY n_counts LIMIT 3;
EXPLAIN (COSTS OFF) SELECT 1 FROM coll WHERE sex = 'female' AND age > 40;
EXPLAIN (COSTS OFF) SELECT coll FROM coll WHERE row_index = 3;
EXPLAIN (COSTS OFF, VERBOSE) SELECT donor_id FROM coll WHERE row_index < 3;

-- conditions on row_index
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = 3;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE 3 = row_index;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index IN (1, 2, 3);
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = ANY ('{1,2}') AND cell_type = 'B cell';
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index BETWEEN 10 AND 20;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE 10 <= row_index AND 20::smallint > row_index;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index > (SELECT max(3));
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = length(current_user);
-- and what is looked at for each row, or stays above
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index <> 3;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = 3.0;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = 3 OR row_index = 5;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index < random() * 10;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = (random() * 10)::int;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index = n_counts;
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index <> ALL ('{1,2}');
EXPLAIN (COSTS OFF) SELECT donor_id FROM coll WHERE row_index + 1 = 3;

-- rows that conditions on row_index leave are estimated
CREATE FUNCTION estimated(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
SELECT c, estimated('SELECT 1 FROM coll WHERE ' || c) FROM unnest(ARRAY['true',
	'row_index = 3', 'row_index = 4000', 'row_index < 100',
	'row_index BETWEEN 100 AND 299', 'row_index = ANY (''{1,2,3,2}'')']) AS c;
SELECT c, estimated('SELECT 1 FROM coll TABLESAMPLE ' || c) FROM unnest(ARRAY[
	'weighted(''cell_type'')', 'bernoulli(10)', 'system(50)']) AS c;

-- sampling
EXPLAIN (COSTS OFF) SELECT x FROM coll TABLESAMPLE weighted('cell_type') LIMIT 256;
EXPLAIN (COSTS OFF) SELECT x FROM coll TABLESAMPLE weighted('cell_type, "sex"') REPEATABLE (42) WHERE row_index < 10;
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll TABLESAMPLE bernoulli(10);
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll TABLESAMPLE system(10 * 2) REPEATABLE (1 + 2) WHERE row_index = 3;

-- parameters of generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE a (bigint[]) AS SELECT donor_id FROM coll WHERE row_index = ANY ($1);
EXPLAIN (COSTS OFF) EXECUTE a ('{1}');
PREPARE b (text, int) AS SELECT donor_id FROM coll TABLESAMPLE weighted($1) REPEATABLE ($2) LIMIT 5;
EXPLAIN (COSTS OFF) EXECUTE b ('cell_type', 3);
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE a ('{1}');
EXPLAIN (COSTS OFF) EXECUTE b ('cell_type', 3);
RESET plan_cache_mode;
DEALLOCATE ALL;

-- joins and LATERAL
CREATE TABLE wanted (row_index bigint, by text);
INSERT INTO wanted SELECT i, 'cell_type' FROM generate_series(1, 5) AS i;
ANALYZE wanted;
EXPLAIN (COSTS OFF) SELECT w.row_index, s.n FROM wanted w,
	LATERAL (SELECT count(*) AS n FROM coll WHERE coll.row_index = w.row_index) s;
EXPLAIN (COSTS OFF) SELECT s.* FROM wanted w,
	LATERAL (SELECT coll.row_index FROM coll TABLESAMPLE weighted(w.by) REPEATABLE (w.row_index) LIMIT 2) s;
EXPLAIN (COSTS OFF) SELECT c.row_index FROM wanted w CROSS JOIN LATERAL
	(SELECT row_index FROM coll TABLESAMPLE weighted(w.by)) c;
EXPLAIN (COSTS OFF) SELECT w.by, coll.x FROM wanted w JOIN coll USING (row_index);
EXPLAIN (COSTS OFF) SELECT w.by, coll.x FROM wanted w LEFT JOIN coll ON coll.row_index = w.row_index::int AND coll.sex = w.by;
EXPLAIN (COSTS OFF) SELECT x FROM coll WHERE row_index IN (SELECT row_index FROM wanted);
-- but never below a sampling
EXPLAIN (COSTS OFF) SELECT w.by, coll.donor_id FROM wanted w JOIN coll TABLESAMPLE bernoulli(10) USING (row_index);
DROP TABLE wanted;

-- other formats
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT donor_id FROM coll WHERE row_index IN (3, 4);
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT 1 FROM coll TABLESAMPLE bernoulli(5) REPEATABLE (1);
EXPLAIN (COSTS OFF, FORMAT YAML) SELECT count(*) FROM coll;

-- what was read: rows and ranges of row_index; chunks and bytes only for x
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT donor_id FROM coll WHERE row_index IN (3, 4, 5, 9, 2000);
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT donor_id FROM coll WHERE row_index > 5 AND row_index < 3;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT donor_id FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) LIMIT 10;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT donor_id FROM coll LIMIT 3;
CREATE FUNCTION read_of(query text, OUT ranges text, OUT rows_read text, OUT bytes boolean, OUT chunks boolean)
LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
	plan := jsonb_path_query_first(plan, '$.** ? (@."Node Type" == "Foreign Scan")');
	ranges := plan->>'Row Ranges';
	rows_read := plan->>'Rows Read';
	bytes := (plan->>'Bytes Read')::bigint > 0;
	chunks := (plan->>'Chunks Decoded')::bigint > 0;
END $$;
SELECT r.*, q FROM unnest(ARRAY[
	'SELECT donor_id FROM coll',
	'SELECT donor_id FROM coll WHERE row_index = 5',
	'SELECT x FROM coll WHERE row_index = 700',
	'SELECT x_indices FROM coll WHERE row_index IN (1501, 3005, 3006)',
	'SELECT "CD3D" FROM coll WHERE row_index = 1400',
	'SELECT "X_pca" FROM coll WHERE row_index = 5',
	'SELECT donor_id FROM coll WHERE cell_type = ''B cell''',
	'SELECT donor_id FROM coll WHERE row_index < 0',
	'SELECT x FROM coll TABLESAMPLE weighted(''cell_type'') LIMIT 7']) AS q, read_of(q) AS r;

EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE file_index = 1 AND row_index > 5;
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE file_index = ANY ('{0,2}') AND cell_type = 'B cell';

-- rows come by row_index
EXPLAIN (COSTS OFF) SELECT x FROM coll ORDER BY row_index LIMIT 3;
EXPLAIN (COSTS OFF) SELECT x FROM coll ORDER BY row_index DESC LIMIT 3;
EXPLAIN (COSTS OFF) SELECT row_index FROM coll TABLESAMPLE system (10) ORDER BY row_index, cell_type;
EXPLAIN (COSTS OFF) SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') ORDER BY row_index;
-- a batch with other columns, as it is joined with a large collection
SET enable_hashjoin = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT b.label, c.donor_id, c.x_indices
FROM sample_batch('coll', 256, 'cell_type') b JOIN coll c USING (row_index);
RESET enable_hashjoin;
RESET enable_mergejoin;
-- vectors are not read of rows that do not pass
SELECT r.*, q FROM unnest(ARRAY[
	'SELECT x FROM coll WHERE obs_name = ''nobody''',
	'SELECT x FROM coll WHERE row_index < 100 AND obs_name = ''nobody'' AND x IS NOT NULL',
	'SELECT x FROM coll WHERE obs_name = ''GTATTGAAACCCTCGT-1''',
	'SELECT x FROM coll WHERE octet_length(x) < 5']) AS q, read_of(q) AS r;

-- a group, a layer, and what the manifest holds because the file cannot be read by row
SELECT create_collection('half', ARRAY[:'data' || '/h5ad/mudata.h5ad'], layer => 'layers/half', group_path => 'mod/prot');
EXPLAIN (VERBOSE, COSTS OFF) SELECT x FROM half;
SELECT create_collection('csc', ARRAY[:'data' || '/h5ad/matrices_of_all_kinds.h5ad'], layer => 'layers/csc');
EXPLAIN (VERBOSE, COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT x FROM csc;
SELECT encoding, dtype, nnz FROM collection_files('csc');
DROP TABLE half, csc;

DROP FUNCTION estimated, read_of;
DROP TABLE coll;
