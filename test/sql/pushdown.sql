--
-- pushdown.sql
--		Conditions that go down to the columns, and parallel scans, as EXPLAIN
--		shows them.
--
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo'], genes => ARRAY['CD3D']);
SET max_parallel_workers_per_gather = 0;

-- by code, by numbers, above; in the order of their costs
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type LIKE '%T cell' AND age > 40 AND NOT is_doublet;
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type = 'B cell' OR (age BETWEEN 40 AND 50 AND sex IS NOT NULL);
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE upper(cell_type) = 'B CELL' AND obs_name > 'M' AND row_index < 1000 AND file_index IN (0, 1);
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type = donor_id AND random() < 0.5 AND sex = 'female';
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE file_index <> 1 AND row_index <> ALL ('{1,2,3}');
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE "CD3D" > 2 AND cell_type = 'B cell' AND age + 1 > 40;
EXPLAIN (COSTS OFF, VERBOSE) SELECT 1 FROM coll WHERE cell_type = 'B cell';
EXPLAIN (COSTS OFF) SELECT a.obs_name FROM coll a, coll b WHERE a.row_index = b.n_counts AND b.cell_type = 'B cell' AND a.sex = b.sex AND b.row_index < 5;
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT obs_name FROM coll WHERE cell_type = 'B cell' AND row_index > 5;
SET mappedcoll.enable_pushdown = off;
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type = 'B cell' AND row_index = 5;
EXPLAIN (COSTS OFF, SETTINGS) SELECT obs_name FROM coll;
RESET mappedcoll.enable_pushdown;

-- what was done
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT obs_name FROM coll WHERE severity = 'mild';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT obs_name FROM coll WHERE (row_index < 10 OR row_index > 3190) AND sex = 'female';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT obs_name FROM coll WHERE cell_type = 'no such';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT obs_name FROM coll WHERE severity = 'mild' AND row_index = ANY ('{1,2,2999,3000,3001}');

-- rows and files that another table names
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE TABLE ends (first bigint, last bigint, file int, by text);
INSERT INTO ends VALUES (0, 9, 1, 'B cell'), (1495, 1504, 2, 'B cell');
ANALYZE ends;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT obs_name FROM ends JOIN coll ON row_index BETWEEN first AND last;
EXPLAIN (COSTS OFF) SELECT obs_name FROM ends JOIN coll ON file_index = file;
EXPLAIN (COSTS OFF) SELECT obs_name FROM ends JOIN coll ON file_index = ANY (ARRAY[file, 0]) AND row_index > first AND cell_type = by;
EXPLAIN (COSTS OFF) SELECT (SELECT count(obs_name || cell_type) FROM coll WHERE cell_type = by AND age > 3) FROM ends;
RESET enable_hashjoin;
RESET enable_mergejoin;
DROP TABLE ends;

-- parallel scans
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type <> 'B cell';
EXPLAIN (COSTS OFF) SELECT row_index, obs_name FROM coll WHERE cell_type <> 'B cell' ORDER BY row_index;
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll TABLESAMPLE bernoulli (50);
SET mappedcoll.manifest_directory = '';
EXPLAIN (COSTS OFF) SELECT obs_name FROM coll WHERE cell_type <> 'B cell';
RESET mappedcoll.manifest_directory;
DROP TABLE coll;
