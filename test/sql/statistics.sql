--
-- statistics.sql
--		Plans that knowing the collection leads to, and ANALYZE.
--
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo'], genes => ARRAY['CD3D']);
SET max_parallel_workers_per_gather = 0;
CREATE TABLE donors AS SELECT 'D' || lpad(i::text, greatest(2, length(i::text)), '0') AS donor_id, i % 7 AS cohort FROM generate_series(1, 100000) AS i;
CREATE TABLE picked AS SELECT i * 30 AS row_index, i AS note FROM generate_series(0, 99) AS i;
CREATE TABLE sorted (row_index bigint PRIMARY KEY, note int);
INSERT INTO sorted SELECT i, i FROM generate_series(0, 99999) AS i;
VACUUM ANALYZE donors, picked, sorted;

-- a large table by a categorical: each is read once
EXPLAIN (COSTS OFF) SELECT cohort, cell_type FROM coll JOIN donors USING (donor_id);
EXPLAIN (COSTS OFF) SELECT cohort, cell_type FROM coll_h5ad JOIN donors USING (donor_id) WHERE cohort = 3;
-- rows of a rare category are looked up in another table, those of a frequent one are hashed
EXPLAIN (COSTS OFF) SELECT note FROM coll JOIN sorted ON sorted.row_index = coll.row_index * 31 WHERE cell_type = 'hematopoietic stem cell';
EXPLAIN (COSTS OFF) SELECT note FROM coll JOIN sorted ON sorted.row_index = coll.row_index * 31 WHERE cell_type IS NOT NULL;
-- rows that a table names are fetched, with their expression data more so
EXPLAIN (COSTS OFF) SELECT note, cell_type FROM coll JOIN picked USING (row_index) WHERE note < 20;
EXPLAIN (COSTS OFF) SELECT note, x FROM coll JOIN picked USING (row_index) WHERE note < 20;
-- rows come in the order of row_index
EXPLAIN (COSTS OFF) SELECT row_index, cell_type FROM coll ORDER BY row_index LIMIT 5;
EXPLAIN (COSTS OFF) SELECT row_index, cell_type FROM coll_h5ad ORDER BY row_index;
EXPLAIN (COSTS OFF) SELECT row_index, cell_type FROM coll ORDER BY row_index DESC;
SET enable_hashjoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT note, cell_type FROM coll JOIN sorted USING (row_index);
EXPLAIN (COSTS OFF) SELECT a.cell_type FROM coll a JOIN coll b USING (row_index);
RESET enable_hashjoin;
RESET enable_nestloop;
-- few groups are hashed; as many as rows need no sort either
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll GROUP BY cell_type || 'x';
EXPLAIN (COSTS OFF) SELECT row_index, count(*) FROM coll GROUP BY row_index;

-- ANALYZE, of both tables and of columns
SELECT count(*) FROM pg_stats WHERE tablename LIKE 'coll%';
ANALYZE coll;
ANALYZE coll_h5ad;
ANALYZE coll (cell_type, sex), coll_h5ad (age);
SELECT tablename, attname, round(null_frac::numeric, 3) AS nulls, avg_width, n_distinct,
	array_length(most_common_freqs, 1) AS values, cardinality(histogram_bounds::text::text[]) AS bounds
FROM pg_stats WHERE tablename LIKE 'coll%' AND attname <> 'n_counts' ORDER BY 1, 2;
SELECT relname, relpages, reltuples FROM pg_class WHERE relname IN ('coll', 'coll_h5ad') ORDER BY 1;
-- there is nothing to vacuum
VACUUM (ANALYZE) coll_h5ad;
-- plans are as before
EXPLAIN (COSTS OFF) SELECT cohort, cell_type FROM coll JOIN donors USING (donor_id);
EXPLAIN (COSTS OFF) SELECT note FROM coll JOIN sorted ON sorted.row_index = coll.row_index * 31 WHERE cell_type = 'hematopoietic stem cell';
-- a file that is gone is an error of ANALYZE
\set gone :data '/no_such_file.h5ad'
CREATE FOREIGN TABLE gone (cell_type text) SERVER mappedcoll OPTIONS (files :'gone');
ANALYZE gone;	-- ERROR
DROP TABLE coll, donors, picked, sorted;
DROP FOREIGN TABLE gone;
