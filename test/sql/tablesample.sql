--
-- tablesample.sql
--		TABLESAMPLE on a collection: methods, arguments, places.
--
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo']);

-- weighted: as many draws as the table has rows, with replacement
SELECT count(*), count(DISTINCT row_index) < 3200 AS repeats FROM coll TABLESAMPLE weighted('cell_type');
SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 8;
SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 8 OFFSET 4;
SELECT count(*) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) WHERE cell_type IS NULL;
-- balanced: each label at about 3200 / 11
SELECT cell_type, count(*) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1)
GROUP BY 1 ORDER BY 1;
SELECT file_index, count(*) FROM coll TABLESAMPLE weighted('file_index') REPEATABLE (1)
GROUP BY 1 ORDER BY 1;
SELECT count(DISTINCT (cell_type, donor_id)) FROM coll TABLESAMPLE weighted('cell_type, donor_id') REPEATABLE (1);
-- numbers, truth values and NULLs are labels as well
SELECT age, count(*) FROM coll TABLESAMPLE weighted('age') REPEATABLE (1) GROUP BY 1 ORDER BY 1;
SELECT is_doublet, count(*) FROM coll TABLESAMPLE weighted('is_doublet') REPEATABLE (1) GROUP BY 1 ORDER BY 1;

-- the seed: any number, the same stream each time
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (-1) LIMIT 5) s;
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (0.5) LIMIT 5) s;
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE ('NaN') LIMIT 5) s;
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE ('Infinity') LIMIT 5) s;
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1e300) LIMIT 5) s;
SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (9007199254740992) LIMIT 5) s;
-- the same stream as that of sample_batch
SELECT array_agg(row_index) = (SELECT array_agg(row_index)
	FROM sample_batch('coll', 64, 'cell_type', seed => 7)) AS same
FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (7) LIMIT 64) AS s;
-- without a seed another one each time
SELECT (SELECT array_agg(row_index) FROM coll TABLESAMPLE weighted('cell_type'))
	<> (SELECT array_agg(row_index) FROM coll TABLESAMPLE weighted('cell_type')) AS different;

-- bernoulli and system: each row at most once, in their order
SELECT count(*), count(DISTINCT row_index) FROM coll TABLESAMPLE bernoulli(10) REPEATABLE (1);
SELECT count(*), count(DISTINCT row_index) FROM coll TABLESAMPLE system(25) REPEATABLE (1);
SELECT count(*) FROM coll TABLESAMPLE bernoulli(0);
SELECT count(*) FROM coll TABLESAMPLE system(0);
SELECT count(*) FROM coll TABLESAMPLE bernoulli(100);
SELECT count(*) FROM coll TABLESAMPLE system(100);
SELECT bool_and(row_index > before) AS ascending FROM (
	SELECT row_index, lag(row_index) OVER () AS before
	FROM coll TABLESAMPLE bernoulli(20) REPEATABLE (3)) AS s;
-- a larger percentage holds the smaller one of the same seed
SELECT count(*) FROM (SELECT row_index FROM coll TABLESAMPLE bernoulli(5) REPEATABLE (3)
	EXCEPT SELECT row_index FROM coll TABLESAMPLE bernoulli(9) REPEATABLE (3)) AS s;

-- SQL samples before WHERE
SELECT count(*) < 100 AS sampled_first FROM coll TABLESAMPLE bernoulli(10) REPEATABLE (1) WHERE row_index < 320;
SELECT bool_and(row_index < 100), count(*) BETWEEN 1 AND 400 AS some
FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) WHERE row_index < 100;

-- arguments
SELECT * FROM coll TABLESAMPLE weighted(NULL);	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (NULL);	-- ERROR
SELECT * FROM coll TABLESAMPLE bernoulli(NULL);	-- ERROR
SELECT * FROM coll TABLESAMPLE bernoulli(10) REPEATABLE (NULL);	-- ERROR
SELECT * FROM coll TABLESAMPLE system(NULL);	-- ERROR
SELECT * FROM coll TABLESAMPLE bernoulli(-1);	-- ERROR
SELECT * FROM coll TABLESAMPLE bernoulli(100.01);	-- ERROR
SELECT * FROM coll TABLESAMPLE system(101);	-- ERROR
SELECT * FROM coll TABLESAMPLE bernoulli('NaN');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted();	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('cell_type', 'donor_id');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted(10);	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted(cell_type);	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('cell_typ');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('Cell_Type, "Donor_ID"');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('cell_type,');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('x');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('row_index');	-- ERROR
SELECT * FROM coll TABLESAMPLE weighted('ctid');	-- ERROR
SELECT count(*) FROM coll TABLESAMPLE weighted(' Cell_Type , DONOR_ID ');

-- other tables and other methods
CREATE TABLE heap AS SELECT 'a'::text AS cell_type;
SELECT * FROM heap TABLESAMPLE weighted('cell_type');	-- ERROR
EXPLAIN SELECT * FROM heap TABLESAMPLE weighted('cell_type');	-- ERROR
CREATE TABLE parts (cell_type text, i int) PARTITION BY RANGE (i);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
SELECT * FROM parts TABLESAMPLE weighted('cell_type');	-- ERROR
CREATE MATERIALIZED VIEW mv AS SELECT * FROM heap;
SELECT * FROM mv TABLESAMPLE weighted('cell_type');	-- ERROR
DROP MATERIALIZED VIEW mv;
DROP TABLE heap, parts;
SELECT * FROM coll_h5ad TABLESAMPLE weighted('cell_type');	-- ERROR
SELECT * FROM coll TABLESAMPLE no_such_method(10);	-- ERROR
CREATE EXTENSION tsm_system_rows;
SELECT * FROM coll TABLESAMPLE system_rows(10);	-- ERROR
EXPLAIN SELECT * FROM coll TABLESAMPLE system_rows(10);	-- ERROR
DROP EXTENSION tsm_system_rows;
CREATE EXTENSION tsm_system_time;
SELECT * FROM coll TABLESAMPLE system_time(10);	-- ERROR
DROP EXTENSION tsm_system_time;

-- in joins, CTEs, views, subqueries, set operations
CREATE TABLE donors AS SELECT DISTINCT donor_id, 'cohort ' || right(donor_id, 1) AS cohort FROM coll;
SELECT count(*), count(cohort) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LEFT JOIN donors USING (donor_id);
WITH batch AS (SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LIMIT 20)
SELECT count(*), (SELECT count(*) FROM batch b JOIN coll USING (row_index, cell_type)) AS joined FROM batch;
CREATE VIEW balanced AS SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5);
SELECT * FROM balanced LIMIT 3;
\d+ balanced
SELECT a.row_index FROM coll a TABLESAMPLE weighted('cell_type') REPEATABLE (5),
	coll b TABLESAMPLE bernoulli(100) WHERE a.row_index = b.row_index AND a.row_index < 10 ORDER BY 1;
(SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LIMIT 2) UNION ALL
(SELECT row_index FROM coll TABLESAMPLE weighted('donor_id') REPEATABLE (5) LIMIT 2);
SELECT (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LIMIT 1);

-- a sample stays the same one in a statement: rescans repeat it
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(DISTINCT s.rows) FROM generate_series(1, 4) AS g,
	LATERAL (SELECT array_agg(row_index) AS rows FROM (
		SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') WHERE g > 0 LIMIT 10) AS t) AS s;
SELECT d.donor_id, count(*) > 0 AS some FROM donors d
LEFT JOIN (SELECT * FROM coll TABLESAMPLE bernoulli(50) REPEATABLE (2)) c ON c.donor_id = d.donor_id
GROUP BY 1 ORDER BY 1 LIMIT 2;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;

-- arguments from outside: parameters, LATERAL, subselects
PREPARE batch (text, int) AS SELECT row_index FROM coll TABLESAMPLE weighted($1) REPEATABLE ($2) LIMIT 2;
EXECUTE batch ('cell_type', 5);
EXECUTE batch ('donor_id', 5);
EXECUTE batch (NULL, 5);	-- ERROR
EXECUTE batch ('cell_type', NULL);	-- ERROR
SET plan_cache_mode = force_generic_plan;
EXECUTE batch ('cell_type', 5);
EXECUTE batch ('donor_id', 5);
EXECUTE batch (NULL, 5);	-- ERROR
EXECUTE batch ('cell_type', NULL);	-- ERROR
RESET plan_cache_mode;
DEALLOCATE batch;
SELECT g.seed, s.row_index FROM generate_series(5, 7) AS g (seed), LATERAL
	(SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (g.seed) LIMIT 2) AS s;
SELECT b.label, s.row_index FROM (VALUES ('cell_type'), ('donor_id')) AS b (label), LATERAL
	(SELECT row_index FROM coll TABLESAMPLE weighted(b.label) REPEATABLE (5) LIMIT 2) AS s;
SELECT row_index FROM coll TABLESAMPLE weighted((SELECT 'cell_' || 'type')) REPEATABLE ((SELECT 5)) LIMIT 2;
SELECT count(*) FROM coll TABLESAMPLE bernoulli((SELECT 0));

-- a cursor over the stream
BEGIN;
DECLARE c CURSOR FOR SELECT row_index, length(x) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5);
FETCH 2 FROM c;
FETCH 2 FROM c;
ROLLBACK;

DROP VIEW balanced;
DROP TABLE donors;
DROP TABLE coll;
